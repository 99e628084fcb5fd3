// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    alarm(1);
}
