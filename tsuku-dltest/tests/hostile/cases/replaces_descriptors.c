// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 256; i++) dup2(null, i);
}
