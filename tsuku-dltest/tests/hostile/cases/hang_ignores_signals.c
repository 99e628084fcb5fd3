// expect: timeout
// args: --deadline 0.6
#include "hostile.h"

CONSTRUCTOR {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    for (int i = 1; i < 65; i++) signal(i, SIG_IGN);
    for (;;) pause();
}
