// expect: not_loadable
// ldflags: -Wl,-z,nodlopen
#include "hostile.h"

int x;
