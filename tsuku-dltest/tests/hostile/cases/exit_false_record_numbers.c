// expect: exited exit_code=0
// plain: never
#include "hostile.h"

/* One small number all over the shared memory, which once stood for a good end: no number alone does. */
CONSTRUCTOR {
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    MUST(f);
    while (fgets(line, sizeof line, f)) {
        unsigned long a, b;
        char mode[8];
        if (sscanf(line, "%lx-%lx %7s", &a, &b, mode) != 3 || strcmp(mode, "rw-s")) continue;
        for (uint32_t *p = (uint32_t *)a; p < (uint32_t *)b; p++) *p = 4;
    }
    _exit(0);
}
