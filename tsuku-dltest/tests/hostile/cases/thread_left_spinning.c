// expect: ok
// ldflags: -Wl,-z,nodelete
#include "hostile.h"

static void *run(void *x) { for (;;) __asm__ volatile(""); return x; }
CONSTRUCTOR {
    pthread_t t;
    pthread_create(&t, 0, run, 0);
}
