// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    prctl(PR_SET_DUMPABLE, 0);
}
