// expect: crashed signal=13
#include "hostile.h"

CONSTRUCTOR {
    int ends[2];
    MUST(pipe(ends) == 0);
    close(ends[0]);
    if (write(ends[1], "x", 1)) {}
}
