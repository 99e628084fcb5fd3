// expect: exited
// plain: never
#include "hostile.h"

/* The helper itself, which finds the library in order, and says so. */
CONSTRUCTOR {
    char good[256];
    snprintf(good, sizeof good, "%s/libgood.so", getenv("HOSTILE_DIR"));
    execl("/proc/self/exe", "tsuku-dltest", good, (char *)0);
    abort();
}
