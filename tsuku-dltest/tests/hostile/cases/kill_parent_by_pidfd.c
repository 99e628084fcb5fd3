// expect: ok
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    int fd = (int)syscall(434, getppid(), 0);
    if (fd >= 0) syscall(424, fd, SIGKILL, 0, 0);
}
