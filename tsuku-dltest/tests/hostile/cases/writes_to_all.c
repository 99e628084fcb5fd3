// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    for (int i = 0; i < 1024; i++) if (write(i, "[]\n", 3)) {}
}
