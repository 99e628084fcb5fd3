// expect: ok
// cc: -fno-builtin
#include "hostile.h"

void *malloc(size_t n) { (void)n; return 0; }
void _exit(int s) { for (;;) { (void)s; } }
int dlclose(void *h) { (void)h; return 1; }
