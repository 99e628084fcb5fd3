// expect: crashed signal=8
#include "hostile.h"

CONSTRUCTOR {
    volatile int zero = 0;
    volatile int x = 1 / zero;
    (void)x;
    raise(SIGFPE);
}
