// expect: timeout
// args: --deadline 0.6
#include "hostile.h"

CONSTRUCTOR {
    static char block[65536];
    memset(block, 'x', sizeof block);
    for (;;) if (write(1, block, sizeof block) < 0) pause();
}
