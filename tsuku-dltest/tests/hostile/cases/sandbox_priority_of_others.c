// expect: ok
// sandboxed: yes
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    MUST(setpriority(PRIO_PROCESS, getppid(), 19) == -1);
    MUST(setpriority(PRIO_PGRP, getpgid(getppid()), 19) == -1);
    MUST(setpriority(PRIO_USER, 0, 19) == -1);
    MUST(setpriority(PRIO_PROCESS, 0, 19) == 0);
}
