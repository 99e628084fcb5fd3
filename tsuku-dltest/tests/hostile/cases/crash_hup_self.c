// expect: crashed signal=1
#include "hostile.h"

CONSTRUCTOR {
    raise(SIGHUP);
}
