// expect: static_tls
#include "hostile.h"

__thread char big[1 << 20] __attribute__((tls_model("initial-exec")));
char *use(void) { return big; }
