// expect: ok
// args: --sandbox off
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    kill(getppid(), SIGTERM);
    kill(getppid(), SIGINT);
    kill(getppid(), SIGHUP);
    kill(getppid(), SIGPIPE);
    kill(getppid(), SIGALRM);
}
