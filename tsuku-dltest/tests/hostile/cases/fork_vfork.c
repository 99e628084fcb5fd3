// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    if (vfork() == 0) _exit(0);
}
