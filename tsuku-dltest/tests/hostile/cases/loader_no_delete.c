// expect: ok
// ldflags: -Wl,-z,nodelete
#include "hostile.h"

CONSTRUCTOR {
    puts("still here");
}
