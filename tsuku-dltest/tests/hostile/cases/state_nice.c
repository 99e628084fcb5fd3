// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    if (nice(19)) {}
}
