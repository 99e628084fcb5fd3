// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    for (int i = 0; i < 40; i++)
        if (fork() > 0) {
            if (i) sleep(20);
            return;
        }
    sleep(20);
}
