// expect: ok
#include "hostile.h"

/* A process in the memory of this one, which outlives it there. */
static char stack[65536];
static int run(void *x) { for (;;) sleep(1); return x != 0; }
CONSTRUCTOR {
    MUST(clone(run, stack + sizeof stack - 64, CLONE_VM | SIGCHLD, 0) > 0);
}
