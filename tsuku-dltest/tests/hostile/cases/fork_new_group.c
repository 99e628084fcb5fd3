// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    if (fork() == 0) {
        setpgid(0, 0);
        sleep(20);
        _exit(0);
    }
}
