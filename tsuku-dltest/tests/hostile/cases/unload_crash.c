// expect: unload_crashed signal=11
// libc: gnu
#include "hostile.h"

DESTRUCTOR {
    volatile int *volatile null = 0;
    *null = 1;
}
