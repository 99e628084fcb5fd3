// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    int zero = open("/dev/zero", O_RDWR);
    MUST(zero >= 0 && mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0) != MAP_FAILED);
    MUST(open("/dev/null", O_RDWR) >= 0 && open("/dev/full", O_WRONLY) >= 0);
}
