// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    char c;
    MUST(read(0, &c, 1) == 0);
}
