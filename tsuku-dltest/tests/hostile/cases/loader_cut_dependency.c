// expect: corrupt
// dep: -DDEP
// cut_dep: 4096
#include "hostile.h"

#ifdef DEP
static char data[70000] = { 1 };
int dep(void) { return data[60000]; }
#else
int dep(void);
int use(void) { return dep(); }
#endif
