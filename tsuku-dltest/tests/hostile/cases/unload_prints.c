// expect: ok
#include "hostile.h"

DESTRUCTOR {
    printf("bye\n");
    fflush(stdout);
}
