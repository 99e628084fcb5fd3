// expect: out_of_memory|timeout
// args: --deadline 3.5
// plain: never
#include "hostile.h"
#include <sys/wait.h>

CONSTRUCTOR {
    for (int i = 0; i < 4; i++) {
        if (fork()) continue;
        for (int j = 0; j < 400; j++) {
            char *p = malloc(1 << 20);
            if (p) memset(p, 1, 1 << 20);
        }
        sleep(20);
        _exit(0);
    }
    while (wait(0) > 0) {}
}
