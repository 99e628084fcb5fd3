// expect: exited exit_code=3
#include "hostile.h"

CONSTRUCTOR {
    syscall(SYS_exit_group, 3);
}
