// expect: crashed signal=11 phase=relocation
// libc: gnu
#include "hostile.h"

static void *resolve(void) { volatile int *volatile null = 0;
    *null = 1; return 0; }
void indirect(void) __attribute__((ifunc("resolve")));
void (*use)(void) = indirect;
