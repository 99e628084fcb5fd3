// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    while (waitpid(-1, 0, WNOHANG) > 0) {}
}
