// expect: crashed signal=4
#include "hostile.h"

CONSTRUCTOR {
    raise(SIGILL);
}
