// expect: timeout phase=destructor
// args: --deadline 0.6
// libc: gnu
#include "hostile.h"

DESTRUCTOR {
    for (;;) pause();
}
