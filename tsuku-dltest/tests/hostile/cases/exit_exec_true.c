// expect: exited exit_code=0
#include "hostile.h"

CONSTRUCTOR {
    execl("/bin/true", "true", (char *)0);
    abort();
}
