// expect: ok
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    MUST(getsid(0) == getpid());
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    MUST(core.rlim_max == 0);
    sigset_t mask;
    sigprocmask(SIG_BLOCK, 0, &mask);
    for (int i = 1; i < 32; i++) {
        struct sigaction a;
        MUST(!sigismember(&mask, i));
        if (sigaction(i, 0, &a) == 0) MUST(a.sa_handler == SIG_DFL);
    }
    int death = 0;
    prctl(PR_GET_PDEATHSIG, &death);
    MUST(death == SIGKILL);
}
