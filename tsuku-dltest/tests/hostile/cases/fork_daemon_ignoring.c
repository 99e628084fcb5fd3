// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    if (fork() == 0) {
        setsid();
        for (int i = 1; i < 65; i++) signal(i, SIG_IGN);
        sleep(20);
        _exit(0);
    }
}
