// expect: exited exit_code=7
#include "hostile.h"

static void handler(int s) { (void)s; _exit(7); }
CONSTRUCTOR {
    signal(SIGSEGV, handler);
    volatile int *volatile null = 0;
    *null = 1;
}
