// expect: ok
// libc: gnu
// ldflags: -Wl,-z,nodelete
#include "hostile.h"

static void later(int s, void *x) { (void)s; (void)x; _exit(9); }
CONSTRUCTOR {
    on_exit(later, 0);
}
