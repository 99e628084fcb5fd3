// expect: fork_bomb|timeout|ok
// args: --deadline 3
// plain: never
#include "hostile.h"

/* 1024 processes, each in a session of its own. */
CONSTRUCTOR {
    for (int i = 0; i < 10; i++)
        if (fork() == 0) setsid();
    for (;;) pause();
}
