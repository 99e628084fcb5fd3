// expect: timeout
// args: --deadline 0.6
#include "hostile.h"

CONSTRUCTOR {
    if (fork() == 0) for (;;) pause();
    wait(0);
}
