// expect: ok|crashed|unload_crashed
#include "hostile.h"

CONSTRUCTOR {
    Dl_info me;
    if (dladdr((void *)constructor, &me)) {
        void *h = dlopen(me.dli_fname, RTLD_NOW | RTLD_NOLOAD);
        if (h) { dlclose(h); dlclose(h); }
    }
}
