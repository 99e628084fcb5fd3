// expect: ok
// ldflags: -Wl,-z,nodelete
#include "hostile.h"

static void *run(void *x) { sleep(20); return x; }
CONSTRUCTOR {
    pthread_t t;
    pthread_create(&t, 0, run, 0);
}
