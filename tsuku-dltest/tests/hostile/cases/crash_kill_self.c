// expect: crashed signal=9
#include "hostile.h"

CONSTRUCTOR {
    kill(getpid(), SIGKILL);
}
