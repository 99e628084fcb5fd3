// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    struct rlimit small = { 65536, 65536 };
    setrlimit(RLIMIT_STACK, &small);
}
