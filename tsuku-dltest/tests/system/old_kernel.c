/* Runs a program as on Linux 3.10: what came later fails. For tests of fallbacks.
 *
 *     old_kernel ERRNO PROGRAM ARGUMENT...
 *
 * clone3 always fails with ENOSYS: glibc takes no other error for "absent" there. unshare, which is older,
 * fails too: containers refuse it. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__
#define FIRST_LATER 314 /* sched_setattr; finit_module is 313 */
#else
#define FIRST_LATER 274 /* the same in the generic table */
#endif
#define CLONE3 435

int main(int count, char **arguments) {
    if (count < 3) return 2;
    unsigned error = (unsigned)atoi(arguments[1]);
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLONE3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_LATER, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = { sizeof program / sizeof *program, program };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) {
        perror("old_kernel: seccomp");
        return 77;
    }
    execv(arguments[2], arguments + 2);
    perror(arguments[2]);
    return 77;
}
