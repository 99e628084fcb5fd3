// expect: exited exit_code=1 error=my reason
#include "hostile.h"

CONSTRUCTOR {
    fprintf(stderr, "first line\nmy reason\n");
    exit(1);
}
