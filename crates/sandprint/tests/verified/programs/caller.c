/* Makes calls that a policy may refuse, in the way that its first argument says. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
    if (!strcmp(how, "fork")) {
        pid_t child = fork();
        if (child == 0)
            _exit(sockets(1));
        waitpid(child, 0, 0);
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
