// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    mlockall(MCL_CURRENT | MCL_FUTURE);
}
