// expect: ok
#include "hostile.h"

/* What would run when the thread ends must not: the child does not end by that way. */
static pthread_key_t key;
static void spin(void *x) { for (;;) (void)x; }
CONSTRUCTOR {
    pthread_key_create(&key, spin);
    pthread_setspecific(key, &key);
}
