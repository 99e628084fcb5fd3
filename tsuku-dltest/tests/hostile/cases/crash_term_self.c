// expect: crashed signal=15
#include "hostile.h"

CONSTRUCTOR {
    kill(getpid(), SIGTERM);
}
