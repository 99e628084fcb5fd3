// expect: ok
// sandboxed: yes
// plain: never
#include "hostile.h"

/* fcntl(2): the owner of a descriptor is told by a signal of one's choice. Landlock 6 knows this way. */
CONSTRUCTOR {
    int ends[2];
    if (syscall(444, 0, 0, 1) < 6) return;
    MUST(pipe(ends) == 0);
    fcntl(ends[0], F_SETOWN, getppid());
    fcntl(ends[0], F_SETSIG, SIGKILL);
    fcntl(ends[0], F_SETFL, O_ASYNC);
    write(ends[1], "x", 1);
    usleep(20000);
}
