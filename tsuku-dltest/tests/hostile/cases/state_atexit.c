// expect: ok
// ldflags: -Wl,-z,nodelete
#include "hostile.h"

static void later(void) { _exit(9); }
CONSTRUCTOR {
    atexit(later);
}
