// expect: ok
// plain: never
// sandboxed: yes
#include "hostile.h"

CONSTRUCTOR {
    char path[64];
    for (int i = 3; i < 64; i++) MUST(fcntl(i, F_GETFD) == -1);
    snprintf(path, sizeof path, "/proc/%d/fd/1", getppid());
    int fd = open(path, O_WRONLY);
    MUST(fd < 0 || write(fd, "[]\n", 3) == -1);
}
