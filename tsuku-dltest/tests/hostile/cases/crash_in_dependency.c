// expect: crashed signal=11 phase=constructor
// dep: -DDEP
#include "hostile.h"

#ifdef DEP
CONSTRUCTOR {
    volatile int *volatile null = 0;
    *null = 1;
}
int dep(void) { return 1; }
#else
int dep(void);
int use(void) { return dep(); }
#endif
