// expect: exited exit_code=1
#include "hostile.h"

CONSTRUCTOR {
    exit(1);
}
