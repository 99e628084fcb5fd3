// expect: unload_crashed
// libc: gnu
#include "hostile.h"

static void *run(void *x) { for (;;) usleep(1000); return x; }
CONSTRUCTOR {
    pthread_t t;
    pthread_create(&t, 0, run, 0);
    usleep(5000);
}
