// expect: ok
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    syscall(SYS_tgkill, getppid(), getppid(), SIGKILL);
    syscall(SYS_tkill, getppid(), SIGKILL);
}
