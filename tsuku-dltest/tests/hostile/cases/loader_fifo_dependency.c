// expect: not_a_file error=a FIFO
// args: --deadline 1.5
// dep: -DDEP
// fifo_dep: yes
// plain: never
#include "hostile.h"

#ifdef DEP
int dep(void) { return 1; }
#else
int dep(void);
int use(void) { return dep(); }
#endif
