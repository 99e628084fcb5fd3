// expect: ok
// plain: never
#include "hostile.h"

/* An open directory of /proc stands for a pidfd. */
CONSTRUCTOR {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", getppid());
    syscall(424, open(path, O_RDONLY | O_DIRECTORY), SIGKILL, 0, 0);
}
