// expect: ok|crashed|unload_crashed|exited
#include "hostile.h"

/* A filter of the library's own refuses exit_group. */
CONSTRUCTOR {
    struct { unsigned short code; unsigned char jt, jf; unsigned k; } filter[] = {
        { 0x20, 0, 0, 0 }, { 0x15, 0, 1, SYS_exit_group }, { 6, 0, 0, 0x50001 }, { 6, 0, 0, 0x7fff0000 },
    };
    struct { unsigned short length; void *filter; } program = { 4, filter };
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, 2, &program);
}
