// expect: crashed signal=11
#include "hostile.h"

static void *run(void *x) { (void)x; volatile int *volatile null = 0;
    *null = 1; return 0; }
CONSTRUCTOR {
    pthread_t t;
    pthread_create(&t, 0, run, 0);
    pthread_join(t, 0);
}
