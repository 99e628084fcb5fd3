// expect: ok
// plain: never
#include "hostile.h"

/* fcntl(2): who opens that file must wait until this process lets it go. */
CONSTRUCTOR {
    char good[256];
    signal(SIGIO, SIG_IGN);
    snprintf(good, sizeof good, "%s/liblast-good.so", getenv("HOSTILE_DIR"));
    fcntl(open(good, O_RDONLY), F_SETLEASE, F_WRLCK);
    usleep(100000);
}
