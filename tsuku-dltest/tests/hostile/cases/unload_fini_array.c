// expect: unload_crashed signal=11
// libc: gnu
#include "hostile.h"

/* A destructor that is nowhere. musl runs none. */
__attribute__((section(".fini_array"), used)) static void *nowhere = (void *)0x10;
