// expect: crashed signal=6
#include "hostile.h"

CONSTRUCTOR {
    abort();
}
