// expect: ok
// ldflags: -Wl,-z,nodelete
#include "hostile.h"

static void *run(void *x) { sleep(20); return x; }
CONSTRUCTOR {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_t t;
    for (int i = 0; i < 100; i++) pthread_create(&t, &small, run, 0);
}
