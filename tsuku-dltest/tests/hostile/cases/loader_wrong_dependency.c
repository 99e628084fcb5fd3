// expect: wrong_arch error=is for ARM
// dep: -DDEP
// poke_dep: 18=40,19=0
#include "hostile.h"

#ifdef DEP
int dep(void) { return 1; }
#else
int dep(void);
int use(void) { return dep(); }
#endif
