// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    printf("[{\"path\":\"y\",\"ok\":false}]");
}
