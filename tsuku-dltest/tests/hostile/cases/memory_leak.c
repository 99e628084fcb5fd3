// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    for (int i = 0; i < 100; i++) memset(malloc(1 << 20), 1, 1 << 20);
}
