// expect: ok
// sandboxed: yes
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    MUST(socket(AF_INET, SOCK_DGRAM, 0) == -1);
    MUST(socket(AF_INET6, SOCK_STREAM, 0) == -1);
    MUST(socket(AF_UNIX, SOCK_STREAM, 0) == -1);
}
