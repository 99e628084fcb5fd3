// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    mmap(0, 1UL << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}
