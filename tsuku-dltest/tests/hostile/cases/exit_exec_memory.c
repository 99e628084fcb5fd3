// expect: exited exit_code=0
#include "hostile.h"

/* A program that is in no file. */
CONSTRUCTOR {
    int from = open("/bin/true", O_RDONLY), to = memfd_create("x", 0);
    char chunk[65536], *words[] = { "x", 0 };
    long count;
    MUST(from >= 0 && to >= 0);
    while ((count = read(from, chunk, sizeof chunk)) > 0) write(to, chunk, count);
    extern char **environ;
    fexecve(to, words, environ);
    abort();
}
