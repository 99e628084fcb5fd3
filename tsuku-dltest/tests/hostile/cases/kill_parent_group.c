// expect: ok
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    kill(-getpgid(getppid()), SIGKILL);
}
