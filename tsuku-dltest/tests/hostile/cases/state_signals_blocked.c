// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
}
