// expect: unload_crashed signal=6
// libc: gnu
#include "hostile.h"

struct S { ~S() noexcept(false) { throw 1; } } s;
