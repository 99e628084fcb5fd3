// expect: not_a_file error=a directory
// dep: -DDEP
// directory_dep: yes
#include "hostile.h"

#ifdef DEP
int dep(void) { return 1; }
#else
int dep(void);
int use(void) { return dep(); }
#endif
