// expect: timeout
// args: --deadline 0.6
#include "hostile.h"

static void *run(void *x) { for (;;) __asm__ volatile(""); return x; }
CONSTRUCTOR {
    pthread_t t;
    for (int i = 0; i < 8; i++) pthread_create(&t, 0, run, 0);
    run(0);
}
