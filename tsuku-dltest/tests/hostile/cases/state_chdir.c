// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    MUST(chdir("/") == 0);
}
