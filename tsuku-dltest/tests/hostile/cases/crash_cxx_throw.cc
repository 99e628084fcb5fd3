// expect: crashed signal=6
// libc: gnu
#include "hostile.h"

struct S { S() { throw 1; } } s;
