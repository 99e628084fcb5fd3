// expect: ok
#include "hostile.h"

/* It waits for a process that is an orphan by then, while other libraries end. */
CONSTRUCTOR {
    int ends[2];
    char byte;
    MUST(pipe(ends) == 0);
    if (fork() == 0) {
        if (fork() == 0) {
            usleep(150000);
            write(ends[1], "x", 1);
        }
        _exit(0);
    }
    close(ends[1]);
    wait(0);
    MUST(read(ends[0], &byte, 1) == 1);
}
