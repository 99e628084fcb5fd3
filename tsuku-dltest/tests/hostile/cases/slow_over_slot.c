// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    usleep(300000);
}
