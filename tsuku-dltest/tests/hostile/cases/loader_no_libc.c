// expect: ok
// ldflags: -nostdlib
#include "hostile.h"

int x;
