// expect: ok
#include "hostile.h"
#include <sys/wait.h>

// 300 MiB once, seen from five processes.
CONSTRUCTOR {
    memset(malloc(300 << 20), 1, 300 << 20);
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            usleep(500000);
            _exit(0);
        }
    while (wait(0) > 0) {}
}
