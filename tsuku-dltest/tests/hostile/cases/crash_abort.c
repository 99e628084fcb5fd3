// expect: crashed signal=6 phase=constructor
#include "hostile.h"

CONSTRUCTOR {
    abort();
}
