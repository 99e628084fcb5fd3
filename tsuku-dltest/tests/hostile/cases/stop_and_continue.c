// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    pid_t me = getpid();
    if (fork() == 0) {
        usleep(50000);
        kill(me, SIGCONT);
        _exit(0);
    }
    raise(SIGSTOP);
}
