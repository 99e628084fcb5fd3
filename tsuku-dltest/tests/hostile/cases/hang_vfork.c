// expect: timeout
// args: --deadline 0.6
// plain: never
#include "hostile.h"

/* The kernel waits for the other one. */
CONSTRUCTOR {
    if (vfork() == 0) for (;;) pause();
}
