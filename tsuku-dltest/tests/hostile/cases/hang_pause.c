// expect: timeout
// args: --deadline 0.6
#include "hostile.h"

CONSTRUCTOR {
    for (;;) pause();
}
