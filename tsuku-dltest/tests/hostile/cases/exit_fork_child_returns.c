// expect: crashed signal=6
#include "hostile.h"

CONSTRUCTOR {
    if (fork() > 0) abort();
}
