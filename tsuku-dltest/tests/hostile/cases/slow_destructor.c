// expect: ok
#include "hostile.h"

DESTRUCTOR {
    usleep(300000);
}
