// expect: crashed signal=11 phase=constructor
#include "hostile.h"

CONSTRUCTOR {
    volatile int *volatile null = 0;
    *null = 1;
}
