// expect: exited exit_code=0
#include "hostile.h"

CONSTRUCTOR {
    _exit(0);
}
