// expect: crashed
#include "hostile.h"

CONSTRUCTOR {
    __builtin_trap();
}
