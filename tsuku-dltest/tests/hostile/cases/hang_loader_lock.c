// expect: timeout
// args: --deadline 0.6
// libc: gnu
// plain: never
#include "hostile.h"

/* It waits for a thread that waits for the loader, which waits for it. */
static void *run(void *x) { dlopen("libnothing.so.9", RTLD_NOW); return x; }
CONSTRUCTOR {
    pthread_t t;
    pthread_create(&t, 0, run, 0);
    pthread_join(t, 0);
}
