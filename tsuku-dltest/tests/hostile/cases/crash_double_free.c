// expect: crashed
#include "hostile.h"

CONSTRUCTOR {
    char *p = malloc(5000);
    char *volatile q = p;
    free(p);
    free(q);
    abort();
}
