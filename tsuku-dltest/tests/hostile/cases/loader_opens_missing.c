// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    MUST(!dlopen("/nonexistent/lib.so", RTLD_NOW));
}
