// expect: exited exit_code=6 phase=destructor
// libc: gnu
#include "hostile.h"

DESTRUCTOR {
    _exit(6);
}
