// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    fork();
}
