// expect: crashed
#include "hostile.h"

CONSTRUCTOR {
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CPU, &none);
    for (;;) __asm__ volatile("");
}
