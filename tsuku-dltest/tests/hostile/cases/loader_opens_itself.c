// expect: ok
#include "hostile.h"

CONSTRUCTOR {
    Dl_info me;
    if (dladdr((void *)constructor, &me)) dlopen(me.dli_fname, RTLD_NOW | RTLD_GLOBAL);
}
