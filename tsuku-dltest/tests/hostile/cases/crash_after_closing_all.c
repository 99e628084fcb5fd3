// expect: crashed signal=6
#include "hostile.h"

CONSTRUCTOR {
    for (int i = 0; i < 1024; i++) close(i);
    abort();
}
