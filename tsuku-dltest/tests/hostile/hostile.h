/* What the hostile libraries have in common. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* A body that runs while the library is loaded, or unloaded. */
#define CONSTRUCTOR __attribute__((constructor)) static void constructor(void)
#define DESTRUCTOR __attribute__((destructor)) static void destructor(void)
/* The library misbehaved as announced, and was hindered: it crashes if it was not. */
#define MUST(condition) do { if (!(condition)) abort(); } while (0)
