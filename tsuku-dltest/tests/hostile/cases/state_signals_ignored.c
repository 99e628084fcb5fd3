// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    for (int i = 1; i < 65; i++) signal(i, SIG_IGN);
}
