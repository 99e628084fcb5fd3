// expect: ok
#include "hostile.h"

DESTRUCTOR {
    for (int i = 0; i < 1024; i++) close(i);
}
