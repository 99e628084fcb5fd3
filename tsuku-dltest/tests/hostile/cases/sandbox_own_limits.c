// expect: ok
#include "hostile.h"

/* Number 0 means the one that calls: never to be taken for somebody outside. */
CONSTRUCTOR {
    struct rlimit stack;
    cpu_set_t processors;
    MUST(getrlimit(RLIMIT_STACK, &stack) == 0 && setrlimit(RLIMIT_STACK, &stack) == 0);
    MUST(sched_getaffinity(0, sizeof processors, &processors) == 0);
    MUST(sched_setaffinity(0, sizeof processors, &processors) == 0);
    MUST(kill(0, 0) == 0 && kill(getpid(), 0) == 0 && getpriority(PRIO_PROCESS, 0) < 20);
}
