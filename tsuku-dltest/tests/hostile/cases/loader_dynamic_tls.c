// expect: ok
#include "hostile.h"

__thread char big[1 << 20];
char *use(void) { return big; }
CONSTRUCTOR {
    big[5] = 1;
}
