// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            sleep(20);
        }
        _exit(0);
    }
    wait(0);
}
