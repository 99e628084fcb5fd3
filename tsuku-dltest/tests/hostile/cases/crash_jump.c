// expect: crashed signal=11 phase=constructor
#include "hostile.h"

CONSTRUCTOR {
    ((void (*)(void))(uintptr_t)8)();
}
