// expect: exited exit_code=42
#include "hostile.h"

CONSTRUCTOR {
    _exit(42);
}
