// expect: undefined_symbol
#include "hostile.h"

void nowhere(void);
void *use(void) { return (void *)nowhere; }
