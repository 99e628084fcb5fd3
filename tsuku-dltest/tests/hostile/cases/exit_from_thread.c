// expect: exited exit_code=5
#include "hostile.h"

static void *run(void *x) { (void)x; _exit(5); }
CONSTRUCTOR {
    pthread_t t;
    pthread_create(&t, 0, run, 0);
    for (;;) pause();
}
