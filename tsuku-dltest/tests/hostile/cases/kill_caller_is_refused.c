// expect: ok
// sandboxed: yes
// plain: never
#include "hostile.h"

/* The parent's parent, from /proc/PID/stat. */
CONSTRUCTOR {
    char path[64], text[512];
    int caller = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", getppid());
    FILE *file = fopen(path, "r");
    MUST(file && fgets(text, sizeof text, file));
    MUST(sscanf(strrchr(text, ')') + 1, " %*c %d", &caller) == 1 && caller > 0);
    MUST(kill(caller, 0) == -1);
}
