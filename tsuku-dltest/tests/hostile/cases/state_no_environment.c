// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    extern char **environ;
    environ = 0;
}
