// expect: ok
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    union sigval v = { 0 };
    sigqueue(getppid(), SIGKILL, v);
}
