// expect: crashed signal=11 phase=constructor
#include "hostile.h"

static volatile int depth;
static int down(int n) { volatile char room[4096]; room[0] = (char)n; depth++; return down(n + 1) + room[0]; }
CONSTRUCTOR {
    down(0);
}
