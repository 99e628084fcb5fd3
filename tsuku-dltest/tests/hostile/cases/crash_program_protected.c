// expect: crashed signal=11
// plain: never
#include "hostile.h"

/* The code that it would return to is no code any more. */
CONSTRUCTOR {
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512], mode[8];
    unsigned long a, b;
    MUST(f);
    while (fgets(line, sizeof line, f))
        if (strstr(line, "tsuku-dltest") && sscanf(line, "%lx-%lx %7s", &a, &b, mode) == 3 && mode[2] == 'x')
            mprotect((void *)a, b - a, PROT_NONE);
}
