// expect: exited exit_code=0
#include "hostile.h"

CONSTRUCTOR {
    quick_exit(0);
}
