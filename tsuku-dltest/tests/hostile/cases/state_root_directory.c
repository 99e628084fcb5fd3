// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    chroot("/proc/self/fdinfo");
    chdir("/");
}
