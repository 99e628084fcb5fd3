// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    if (setgid(65534) || setuid(65534)) {}
}
