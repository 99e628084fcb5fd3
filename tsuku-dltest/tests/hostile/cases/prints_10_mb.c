// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    static char block[1 << 20];
    for (int i = 0; i < 10; i++) if (write(1 + i % 2, block, sizeof block)) {}
}
