// Calls whose arguments select what they do, each with values that its name stands for; registers that the kernel does
// not look at hold garbage.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const unsigned long garbage = 0xdead0000beef0000;
static const unsigned long upper = 0xdead000000000000;

int main(void) {
    // Pairs that were seen in this company only.
    syscall(SYS_socket, upper | AF_UNIX, upper | SOCK_STREAM | SOCK_CLOEXEC, upper, garbage, garbage, garbage);
    syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0);
    // The mode has a meaning where a file is created.
    for (unsigned long mode = 0; mode < 100; mode++)
        syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, garbage + mode);
    syscall(SYS_openat, AT_FDCWD, "created", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    // A command decides what its argument is: nothing, flags, a descriptor.
    syscall(SYS_fcntl, 0, F_GETFD, garbage);
    syscall(SYS_fcntl, 2, F_SETFD, FD_CLOEXEC);
    for (unsigned long least = 3; least < 100; least++)
        syscall(SYS_fcntl, 0, F_DUPFD, least);
    syscall(SYS_prctl, PR_SET_DUMPABLE, 1, garbage, garbage, garbage);
    syscall(SYS_prctl, PR_GET_DUMPABLE, garbage);
    // More commands than are kept apart, and exactly as many as are.
    for (unsigned long command = 0; command < 65; command++)
        syscall(SYS_ioctl, -1, upper | command, garbage);
    for (unsigned long advice = 1000; advice < 1064; advice++)
        syscall(SYS_madvise, 0, 0, advice);
    syscall(SYS_exit_group, 0);
}
