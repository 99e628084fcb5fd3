// expect: crashed signal=40
#include "hostile.h"

CONSTRUCTOR {
    raise(40);
}
