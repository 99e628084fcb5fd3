// expect: exited exit_code=0
#include "hostile.h"

CONSTRUCTOR {
    printf("[{\"path\":\"x\",\"ok\":true}]\n");
    fflush(stdout);
    _exit(0);
}
