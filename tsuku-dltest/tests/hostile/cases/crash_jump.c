// expect: crashed signal=11
#include "hostile.h"

CONSTRUCTOR {
    ((void (*)(void))(uintptr_t)8)();
}
