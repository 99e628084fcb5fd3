// expect: ok
// sandboxed: yes
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    char path[256];
    snprintf(path, sizeof path, "%s/written-%d", getenv("HOSTILE_DIR"), getpid());
    MUST(open(path, O_WRONLY | O_CREAT, 0600) == -1);
    MUST(mkdir(path, 0700) == -1);
}
