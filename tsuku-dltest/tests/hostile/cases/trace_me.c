// expect: ok
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
}
