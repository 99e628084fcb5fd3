// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    while (open("/dev/null", O_RDONLY) >= 0) {}
}
