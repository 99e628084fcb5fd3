// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    if (fork() == 0) {
        execl("/bin/sleep", "sleep", "20", (char *)0);
        _exit(1);
    }
}
