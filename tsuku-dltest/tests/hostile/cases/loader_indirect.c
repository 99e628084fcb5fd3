// expect: ok
// libc: gnu
#include "hostile.h"

static int real(void) { return 1; }
static void *resolve(void) { return (void *)real; }
int indirect(void) __attribute__((ifunc("resolve")));
int (*use)(void) = indirect;
