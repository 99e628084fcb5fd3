// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    struct rlimit none = { 1 << 20, 1 << 20 };
    setrlimit(RLIMIT_AS, &none);
}
