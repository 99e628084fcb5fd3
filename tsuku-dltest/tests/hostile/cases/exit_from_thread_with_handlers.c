// expect: exited|timeout
// args: --deadline 0.6
#include "hostile.h"

/* The handlers at the process's end wait for the loader's lock, which the constructor holds. */
static void *run(void *x) { (void)x; exit(5); }
CONSTRUCTOR {
    pthread_t t;
    pthread_create(&t, 0, run, 0);
    for (;;) pause();
}
