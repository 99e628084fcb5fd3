// expect: unload_crashed signal=6
// libc: gnu
#include "hostile.h"

DESTRUCTOR {
    abort();
}
