// expect: ok
// plain: never
#include "hostile.h"

/* Children of the parent instead of this process, some in sessions of their own. */
CONSTRUCTOR {
    for (int i = 0; i < 20; i++)
        if (syscall(SYS_clone, 0x8000 | SIGCHLD, 0, 0, 0, 0) == 0) {
            if (i % 2) setsid();
            sleep(20);
            _exit(0);
        }
}
