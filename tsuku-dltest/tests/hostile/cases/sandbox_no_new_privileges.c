// expect: ok
// sandboxed: yes
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}
