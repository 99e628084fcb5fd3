// expect: ok
#include "hostile.h"

DESTRUCTOR {
    if (fork() == 0) {
        setsid();
        sleep(20);
        _exit(0);
    }
}
