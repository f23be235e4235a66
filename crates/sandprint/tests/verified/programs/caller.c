/* Makes calls that a policy may refuse, in the way that its first argument says. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int sockets(int count)
{
    int failed = 0;
    for (int i = 0; i < count; i++)
        failed += socket(AF_UNIX, SOCK_STREAM, 0) < 0;
    return failed;
}

static void *one_socket(void *unused)
{
    sockets(1);
    return unused;
}

/* A filter of the program's own, which refuses one call. */
static int confine_itself(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    const char *with = argc > 2 ? argv[2] : "";
    if (!strcmp(how, "sockets"))
        return sockets(atoi(with));
    if (!strcmp(how, "linger")) {
        struct timespec while_one_looks = {0, 600 * 1000 * 1000};
        int failed = sockets(1);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &while_one_looks, 0);
        return failed;
    }
    if (!strcmp(how, "thread")) {
        pthread_t thread;
        pthread_create(&thread, 0, one_socket, 0);
        pthread_join(thread, 0);
        return 0;
    }
    if (!strcmp(how, "own"))
        return confine_itself() || sockets(1) != 1 || errno != EDOM;
    if (!strcmp(how, "fork")) {
        pid_t child = fork();
        if (child == 0)
            _exit(sockets(1));
        waitpid(child, 0, 0);
        return 0;
    }
    /* Children after each other, each with so many calls that there are not, and all of them twice. */
    if (!strcmp(how, "numbers")) {
        int children = atoi(with), each = argc > 3 ? atoi(argv[3]) : 0;
        for (int one = 0; one < children; one++) {
            pid_t child = fork();
            if (child == 0) {
                for (int i = 0; i < 2 * each; i++)
                    syscall(1000 + one * each + i % each);
                _exit(0);
            }
            waitpid(child, 0, 0);
            /* Who sees them has time to take them. */
            struct timespec while_one_looks = {0, 800 * 1000 * 1000};
            clock_nanosleep(CLOCK_MONOTONIC, 0, &while_one_looks, 0);
        }
        return 0;
    }
    if (!strcmp(how, "mkdir"))
        return mkdir(with, 0755) ? errno : 0;
    if (!strcmp(how, "count")) {
        char bytes[4096];
        long all = 0, some;
        while ((some = read(0, bytes, sizeof bytes)) > 0)
            all += some;
        printf("%ld\n", all);
        return 0;
    }
    return 99;
}
