// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    fclose(stdin);
    fclose(stdout);
    fclose(stderr);
}
