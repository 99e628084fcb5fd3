// expect: crashed signal=9
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    kill(0, SIGKILL);
}
