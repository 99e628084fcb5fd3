// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    MUST(system("true") == 0);
}
