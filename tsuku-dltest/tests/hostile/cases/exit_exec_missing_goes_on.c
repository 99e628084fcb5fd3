// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    execl("/nonexistent", "x", (char *)0);
}
