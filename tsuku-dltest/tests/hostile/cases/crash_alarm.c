// expect: crashed signal=14
#include "hostile.h"

CONSTRUCTOR {
    alarm(1);
    for (;;) pause();
}
