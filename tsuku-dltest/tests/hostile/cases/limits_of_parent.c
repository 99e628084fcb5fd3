// expect: ok
// plain: never
// sandboxed: yes
#include "hostile.h"

CONSTRUCTOR {
    struct rlimit none = { 0, 0 };
    MUST(prlimit(getppid(), RLIMIT_CPU, &none, 0) == -1);
}
