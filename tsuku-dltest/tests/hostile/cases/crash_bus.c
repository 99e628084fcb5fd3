// expect: crashed signal=7
#include "hostile.h"

CONSTRUCTOR {
    int fd = memfd_create("x", 0);
    MUST(fd >= 0);
    char *p = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    MUST(p != MAP_FAILED);
    volatile char c = *p;
    (void)c;
}
