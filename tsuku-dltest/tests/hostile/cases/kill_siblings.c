// expect: ok
// plain: never
// sandboxed: yes
#include "hostile.h"

CONSTRUCTOR {
    for (int i = -20; i < 20; i++)
        if (i) {
            kill(getpid() + i, SIGKILL);
            syscall(SYS_tgkill, getpid() + i, getpid() + i, SIGKILL);
        }
}
