// expect: not_a_library error=the file is empty
// dep: -DDEP
// cut_dep: 0
#include "hostile.h"

#ifdef DEP
int dep(void) { return 1; }
#else
int dep(void);
int use(void) { return dep(); }
#endif
