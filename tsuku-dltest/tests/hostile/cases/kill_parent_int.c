// expect: ok
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    kill(getppid(), SIGINT);
}
