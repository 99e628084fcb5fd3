// expect: ok
// plain: never
// sandboxed: yes
#include "hostile.h"

CONSTRUCTOR {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", getppid());
    MUST(open(path, O_RDWR) == -1);
}
