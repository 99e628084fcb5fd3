// expect: ok
// sandboxed: yes
// plain: never
#include "hostile.h"
#include <sys/ioctl.h>
#include <sys/xattr.h>

#define REFUSED(call) MUST((call) == -1 && errno == EPERM)

/* Landlock knows nothing of these, and one library could make another one unreadable by them. */
CONSTRUCTOR {
    char path[256];
    snprintf(path, sizeof path, "%s/victim", getenv("HOSTILE_DIR"));
    int fd = open(path, O_RDONLY);
    struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
    MUST(fd >= 0);
    REFUSED(chmod(path, 0600));
    REFUSED(fchmod(fd, 0600));
    REFUSED(fchmodat(AT_FDCWD, path, 0600, 0));
    REFUSED(chown(path, getuid(), getgid()));
    REFUSED(lchown(path, getuid(), getgid()));
    REFUSED(fchown(fd, getuid(), getgid()));
    REFUSED(utimensat(AT_FDCWD, path, times, 0));
    REFUSED(setxattr(path, "user.x", "y", 1, 0));
    REFUSED(fremovexattr(fd, "user.x"));
    REFUSED(fcntl(fd, F_SETLEASE, F_RDLCK));
    REFUSED(ioctl(0, TIOCSTI, "x"));
    REFUSED(ioctl(0, TIOCSCTTY, 1));
    REFUSED(syscall(SYS_fanotify_init, 4, 0));
}
