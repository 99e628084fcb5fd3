// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    char all[256];
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    if (write(1, all, 256)) {}
}
