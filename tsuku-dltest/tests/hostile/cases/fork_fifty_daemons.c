// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    for (int i = 0; i < 50; i++)
        if (fork() == 0) {
            setsid();
            sleep(20);
            _exit(0);
        }
}
