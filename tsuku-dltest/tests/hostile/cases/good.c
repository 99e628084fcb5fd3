// expect: ok
#include "hostile.h"

int answer(void) { return 42; }
