// expect: ok|exec_stack
// ldflags: -Wl,-z,execstack
#include "hostile.h"

int x;
