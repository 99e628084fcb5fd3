// expect: ok
#include "hostile.h"

/* Processes in namespaces of their own, where they have other numbers. */
CONSTRUCTOR {
    if (unshare(CLONE_NEWPID)) unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC);
    if (fork() == 0) {
        for (int i = 0; i < 3; i++)
            if (fork() == 0) break;
        sleep(20);
        _exit(0);
    }
}
