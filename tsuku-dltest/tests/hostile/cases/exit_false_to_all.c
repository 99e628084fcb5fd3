// expect: exited exit_code=0
#include "hostile.h"

CONSTRUCTOR {
    for (int i = 0; i < 256; i++) if (write(i, "[]\n", 3)) {}
    _exit(0);
}
