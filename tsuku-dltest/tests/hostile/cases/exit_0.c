// expect: exited exit_code=0
#include "hostile.h"

CONSTRUCTOR {
    exit(0);
}
