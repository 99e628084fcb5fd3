// expect: exited exit_code=3
// plain: never
#include "hostile.h"

/* A sibling's good end is not this library's. */
CONSTRUCTOR {
    if (syscall(SYS_clone, 0x8000 | SIGCHLD, 0, 0, 0, 0) == 0) _exit(0);
    usleep(20000);
    _exit(3);
}
