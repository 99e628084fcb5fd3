// expect: exited exit_code=0
// plain: never
#include "hostile.h"

/* Private memory in place of all that is shared: what is written there reaches nobody. */
CONSTRUCTOR {
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512], mode[8];
    unsigned long ranges[64][2], a, b;
    int count = 0;
    MUST(f);
    while (fgets(line, sizeof line, f) && count < 64)
        if (sscanf(line, "%lx-%lx %7s", &a, &b, mode) == 3 && !strcmp(mode, "rw-s")) {
            ranges[count][0] = a;
            ranges[count++][1] = b;
        }
    MUST(count > 0);
    for (int i = 0; i < count; i++)
        mmap((void *)ranges[i][0], ranges[i][1] - ranges[i][0], PROT_READ | PROT_WRITE,
             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
