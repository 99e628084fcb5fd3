// expect: timeout
// args: --deadline 0.6
// plain: never
#include "hostile.h"

/* The first thread goes, another one stays: the process is a zombie that lives. */
static void *run(void *x) { sleep(20); return x; }
CONSTRUCTOR {
    pthread_t t;
    pthread_create(&t, 0, run, 0);
    syscall(SYS_exit, 0);
}
