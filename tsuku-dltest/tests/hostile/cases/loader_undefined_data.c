// expect: undefined_symbol
#include "hostile.h"

extern int nowhere;
int *use = &nowhere;
