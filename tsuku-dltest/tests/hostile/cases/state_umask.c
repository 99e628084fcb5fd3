// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    umask(0777);
}
