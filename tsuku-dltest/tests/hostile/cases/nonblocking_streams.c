// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    for (int i = 0; i < 3; i++) fcntl(i, F_SETFL, O_NONBLOCK);
}
