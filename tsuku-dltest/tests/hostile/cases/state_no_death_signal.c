// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    prctl(PR_SET_PDEATHSIG, 0);
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, 0);
        setsid();
        sleep(20);
        _exit(0);
    }
}
