// expect: exited exit_code=0
// plain: never
#include "hostile.h"

/* As if nothing had begun yet: the helper must not blame itself. */
CONSTRUCTOR {
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    MUST(f);
    while (fgets(line, sizeof line, f)) {
        unsigned long a, b;
        char mode[8];
        if (sscanf(line, "%lx-%lx %7s", &a, &b, mode) == 3 && !strcmp(mode, "rw-s")) memset((void *)a, 0, b - a);
    }
    _exit(0);
}
