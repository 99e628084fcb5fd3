// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    close(1);
}
