// expect: ok
// cc: -lrt -lpthread
#include "hostile.h"
#include <semaphore.h>

/* What a sandbox refuses must not be what honest constructors do: Debian's libcapi20 makes a semaphore. */
CONSTRUCTOR {
    char name[64];
    snprintf(name, sizeof name, "/hostile-%d", getpid());
    int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
    MUST(fd >= 0 && ftruncate(fd, 4096) == 0);
    MUST(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
    MUST(shm_unlink(name) == 0);
    MUST(sem_open(name, O_CREAT, 0600, 1) != SEM_FAILED);
    MUST(sem_unlink(name) == 0);
}
