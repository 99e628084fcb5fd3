// expect: ok|timeout
// args: --deadline 0.6
// plain: never
#include "hostile.h"

/* It loads and unloads, and then the process cannot end. */
CONSTRUCTOR {
    unsigned char *code = dlsym(RTLD_DEFAULT, "_exit");
    MUST(code && mprotect((void *)((uintptr_t)code & ~4095UL), 8192, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
#if defined __x86_64__
    memcpy(code, "\xeb\xfe", 2);
#elif defined __aarch64__
    memcpy(code, "\0\0\0\x14", 4);
    __builtin___clear_cache((char *)code, (char *)code + 4);
#endif
}
