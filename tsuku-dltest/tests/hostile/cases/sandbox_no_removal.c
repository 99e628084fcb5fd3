// expect: ok
// sandboxed: yes
// plain: never
#include "hostile.h"

CONSTRUCTOR {
    char path[256];
    snprintf(path, sizeof path, "%s/victim", getenv("HOSTILE_DIR"));
    MUST(unlink(path) == -1);
    MUST(truncate(path, 0) == -1);
    MUST(rename(path, "/tmp/stolen") == -1);
}
