// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    for (int i = 0; i < 64; i++) if (ftruncate(i, 0)) {}
}
