// expect: exited exit_code=0 phase=destructor
// libc: gnu
#include "hostile.h"

DESTRUCTOR {
    _exit(0);
}
