// expect: ok
// plain: never
#include "hostile.h"

/* One shared mapping, this library's own, whatever else is tested at the same time. */
CONSTRUCTOR {
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    int shared = 0;
    MUST(f);
    while (fgets(line, sizeof line, f)) {
        char mode[8];
        if (sscanf(line, "%*x-%*x %7s", mode) == 1 && mode[3] == 's') shared++;
    }
    fclose(f);
    MUST(shared == 1);
}
