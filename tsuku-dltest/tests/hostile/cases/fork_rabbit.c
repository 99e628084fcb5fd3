// expect: ok|fork_bomb|timeout
// args: --deadline 2
// plain: never
#include "hostile.h"

/* A process that is never the same for long, for three seconds. */
CONSTRUCTOR {
    if (fork() > 0) return;
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        setsid();
        if (fork() > 0) _exit(0);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec < 3);
    _exit(0);
}
