// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_NPROC, &none);
}
