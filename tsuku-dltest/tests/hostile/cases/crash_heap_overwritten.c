// expect: crashed
#include "hostile.h"

CONSTRUCTOR {
    char *p = malloc(64);
    memset(p - 16, 0x41, 4096);
    free(p);
    for (int i = 0; i < 100; i++) free(malloc(1 << i % 20));
    abort();
}
