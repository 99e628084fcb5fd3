// expect: crashed signal=11
#include "hostile.h"

/* A constructor that is nowhere. */
__attribute__((section(".init_array"), used)) static void *nowhere = (void *)0x10;
