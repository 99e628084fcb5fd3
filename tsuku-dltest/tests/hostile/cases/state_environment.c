// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    setenv("LD_PRELOAD", "/nonexistent", 1);
    setenv("LD_LIBRARY_PATH", "", 1);
    clearenv();
}
