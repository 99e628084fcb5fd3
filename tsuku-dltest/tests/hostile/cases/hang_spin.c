// expect: timeout phase=load
// args: --deadline 0.6
#include "hostile.h"

CONSTRUCTOR {
    for (;;) __asm__ volatile("");
}
