// expect: unload_crashed signal=6
// libc: gnu
#include "hostile.h"

static void later(void) { abort(); }
CONSTRUCTOR {
    atexit(later);
}
