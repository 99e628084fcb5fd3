// expect: out_of_memory|crashed|timeout
// args: --deadline 3
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    for (;;) {
        char *p = malloc(16 << 20);
        if (!p) abort();
        memset(p, 1, 16 << 20);
    }
}
