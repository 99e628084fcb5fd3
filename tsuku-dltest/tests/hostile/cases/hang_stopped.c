// expect: timeout
// args: --deadline 1.0
#include "hostile.h"

CONSTRUCTOR {
    raise(SIGSTOP);
}
