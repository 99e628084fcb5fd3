// expect: ok
// plain: never
// sandboxed: yes
#include "hostile.h"

CONSTRUCTOR {
    MUST(ptrace(PTRACE_ATTACH, getppid(), 0, 0) == -1);
}
