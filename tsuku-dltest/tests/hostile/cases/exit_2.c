// expect: exited exit_code=2
#include "hostile.h"

CONSTRUCTOR {
    exit(2);
}
