// expect: missing_version
// dep: -DDEP
// dep_ldflags: -Wl,--version-script=versions.map
// rebuild_dep: -DDEP -Wl,--version-script=versions-old.map
// libc: gnu
#include "hostile.h"

#ifdef DEP
int dep(void) { return 1; }
#else
int dep(void);
int use(void) { return dep(); }
#endif
