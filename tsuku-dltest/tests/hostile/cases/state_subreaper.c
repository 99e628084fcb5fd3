// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (fork() == 0) {
        if (fork() == 0) sleep(20);
        _exit(0);
    }
    usleep(20000);
}
