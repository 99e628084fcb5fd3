// expect: exited exit_code=0
#include "hostile.h"

CONSTRUCTOR {
    execl("/bin/echo", "echo", "[]", (char *)0);
    abort();
}
