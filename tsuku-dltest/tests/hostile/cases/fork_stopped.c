// expect: ok
#include "hostile.h"

/* A process that is stopped, and can be ended all the same. */
CONSTRUCTOR {
    if (fork() == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    usleep(1000);
}
