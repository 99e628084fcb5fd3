// expect: crashed
#include "hostile.h"

CONSTRUCTOR {
    struct { unsigned short code; unsigned char jt, jf; unsigned k; } kill = { 6, 0, 0, 0 };
    struct { unsigned short length; void *filter; } program = { 1, &kill };
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, 2, &program);
    getpid();
    syscall(SYS_getppid);
}
