// expect: crashed signal=10
#include "hostile.h"

CONSTRUCTOR {
    raise(SIGUSR1);
}
