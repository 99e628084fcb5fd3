// expect: timeout
// args: --deadline 0.6
#include "hostile.h"

CONSTRUCTOR {
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&m);
    pthread_mutex_lock(&m);
}
