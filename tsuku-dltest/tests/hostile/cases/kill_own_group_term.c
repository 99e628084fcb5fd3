// expect: crashed signal=15
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    kill(0, SIGTERM);
}
