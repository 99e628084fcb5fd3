// expect: exited exit_code=4
// dep: -DDEP
#include "hostile.h"

#ifdef DEP
CONSTRUCTOR {
    exit(4);
}
int dep(void) { return 1; }
#else
int dep(void);
int use(void) { return dep(); }
#endif
