// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    usleep(700000);
}
