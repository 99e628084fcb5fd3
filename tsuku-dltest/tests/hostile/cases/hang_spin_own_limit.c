// expect: timeout
// args: --timeout 0.4
#include "hostile.h"

CONSTRUCTOR {
    for (;;) __asm__ volatile("");
}
