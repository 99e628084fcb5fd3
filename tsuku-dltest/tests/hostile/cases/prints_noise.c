// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    printf("hello\n");
    fprintf(stderr, "world\n");
    fflush(stdout);
}
