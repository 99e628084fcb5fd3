// expect: ok
// libc: gnu
#include "hostile.h"

CONSTRUCTOR {
    MUST(dlmopen(LM_ID_NEWLM, "libm.so.6", RTLD_NOW));
}
