// expect: fork_bomb|timeout
// args: --deadline 3
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    for (int i = 0; i < 600; i++)
        if (fork() == 0) for (;;) pause();
    for (;;) pause();
}
