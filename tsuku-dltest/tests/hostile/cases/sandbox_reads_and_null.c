// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    int null = open("/dev/null", O_RDWR);
    MUST(null >= 0 && write(null, "x", 1) == 1);
    MUST(open("/etc/passwd", O_RDONLY) >= 0);
    MUST(open("/proc/self/maps", O_RDONLY) >= 0);
}
