// expect: ok
// sandboxed: yes
// plain: never
#include "hostile.h"

#define REFUSED(call) MUST((call) == -1 && errno == EPERM)
#define NO_USER 64999

/* ioprio_set(2), which has no name in glibc: best effort, as by default. */
static long ioprio_set(int which, int who) {
    return syscall(SYS_ioprio_set, which, who, 2 << 13 | 4);
}

/* Root may slow down every process by these; what is asked for is what there is, should it be allowed. */
static void spare(pid_t other) {
    struct sched_param param = { 0 };
    struct rlimit limit;
    unsigned long nodes = 1;
    cpu_set_t set;
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t rest[3]; }
        attributes = { 48, SCHED_OTHER };
    sched_getaffinity(0, sizeof set, &set);
    getrlimit(RLIMIT_CPU, &limit);
    errno = 0;
    attributes.nice = getpriority(PRIO_PROCESS, other);
    MUST(errno == 0);
    REFUSED(setpriority(PRIO_PROCESS, other, attributes.nice));
    REFUSED(ioprio_set(1, other));
    REFUSED(syscall(SYS_sched_setaffinity, other, sizeof set, &set));
    REFUSED(syscall(SYS_sched_setscheduler, other, SCHED_OTHER, &param));
    REFUSED(syscall(SYS_sched_setparam, other, &param));
    REFUSED(syscall(SYS_sched_setattr, other, &attributes, 0));
    REFUSED(syscall(SYS_prlimit64, other, RLIMIT_CPU, &limit, 0));
    REFUSED(syscall(SYS_migrate_pages, other, 64, &nodes, &nodes));
}

CONSTRUCTOR {
    spare(getppid());
    spare(1);
    /* One of the same user, for which nobody needs to be root. */
    pid_t child = fork();
    if (child == 0) for (;;) pause();
    spare(child);
    pid_t group = getpgid(getppid());
    REFUSED(setpriority(PRIO_PGRP, group, getpriority(PRIO_PGRP, group)));
    REFUSED(ioprio_set(2, group));
    REFUSED(setpriority(PRIO_USER, NO_USER, 19));
    REFUSED(ioprio_set(3, NO_USER));
    /* What it does to itself is its own affair. */
    cpu_set_t set;
    MUST(setpriority(PRIO_PROCESS, 0, 19) == 0 && setpriority(PRIO_PROCESS, getpid(), 19) == 0);
    MUST(setpriority(PRIO_PGRP, 0, 19) == 0);
    MUST(ioprio_set(1, 0) == 0 && ioprio_set(1, getpid()) == 0);
    MUST(sched_getaffinity(0, sizeof set, &set) == 0 && sched_setaffinity(0, sizeof set, &set) == 0);
    MUST(sched_setaffinity(getpid(), sizeof set, &set) == 0);
}
