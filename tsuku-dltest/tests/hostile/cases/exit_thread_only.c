// expect: exited|crashed
#include "hostile.h"

CONSTRUCTOR {
    pthread_exit(0);
}
