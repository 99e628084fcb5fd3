// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    setsid();
    setpgid(0, 0);
}
