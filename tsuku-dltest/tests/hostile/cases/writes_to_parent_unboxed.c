// expect: ok
// args: --sandbox off
// plain: never
#include "hostile.h"

/* Root may do this to anybody; for others the parent is not dumpable, and so not open. */
CONSTRUCTOR {
    char path[64];
    if (geteuid() == 0) return;
    snprintf(path, sizeof path, "/proc/%d/fd/1", getppid());
    MUST(open(path, O_WRONLY) == -1);
    snprintf(path, sizeof path, "/proc/%d/mem", getppid());
    MUST(open(path, O_RDWR) == -1);
    MUST(ptrace(PTRACE_ATTACH, getppid(), 0, 0) == -1);
    /* The child's own files are its own. */
    MUST(open("/proc/self/mem", O_RDWR) >= 0);
}
