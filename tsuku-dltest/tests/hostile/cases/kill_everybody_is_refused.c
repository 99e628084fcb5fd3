// expect: ok
// plain: never
// sandboxed: yes
#include "hostile.h"

CONSTRUCTOR {
    MUST(kill(-1, 0) == -1);
}
