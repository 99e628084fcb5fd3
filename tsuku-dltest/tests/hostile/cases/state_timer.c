// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    struct itimerval soon = { { 0, 0 }, { 0, 200000 } };
    setitimer(ITIMER_REAL, &soon, 0);
}
