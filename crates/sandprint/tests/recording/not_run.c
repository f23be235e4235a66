/*
 * Installs a filter that answers getppid(2) in one way, and makes that call: every way in which a call does not run.
 * Called as "not_run HOW".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long install(uint32_t action, unsigned flags)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static int calls(int count)
{
    int failed = 0;

    while (count--)
        failed += syscall(__NR_getppid) < 0;
    return failed;
}

static volatile sig_atomic_t trapped;

static void on_sigsys(int number)
{
    trapped += number == SIGSYS;
}

static void *two_calls(void *unused)
{
    calls(2);
    return unused;
}

static int in_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, 0, two_calls, 0))
        return 90;
    pthread_join(thread, 0);
    return 0;
}

static int listener;

/* Answers three calls: 42, EBUSY, and go on. */
static void *supervise(void *unused)
{
    for (int i = 0; i < 3; i++) {
        struct seccomp_notif call = {0};
        struct seccomp_notif_resp answer = {0};

        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
            _exit(91);
        answer.id = call.id;
        answer.val = i == 0 ? 42 : 0;
        answer.error = i == 1 ? -EBUSY : 0;
        answer.flags = i == 2 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer))
            _exit(92);
    }
    return unused;
}

static pthread_barrier_t ready;

static void *wait_and_supervise(void *unused)
{
    pthread_barrier_wait(&ready);
    return supervise(unused);
}

/* The thread that answers has no filter: it was there before. */
static int with_supervisor(void)
{
    pthread_t thread;

    pthread_barrier_init(&ready, 0, 2);
    if (pthread_create(&thread, 0, wait_and_supervise, 0))
        return 90;
    listener = install(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    if (listener < 0)
        return 93;
    pthread_barrier_wait(&ready);
    if (syscall(__NR_getppid) != 42 || calls(1) != 1 || calls(1) != 0)
        return 94;
    pthread_join(thread, 0);
    return 0;
}

static char **again;

static void *execute(void *unused)
{
    execv("/proc/self/exe", again);
    return unused;
}

/* 200 filters, each of a process of its own. */
static int many(void)
{
    for (int number = 1; number <= 200; number++) {
        int status = 0;

        if (!fork())
            _exit(install(SECCOMP_RET_ERRNO | number, 0) || calls(1) != 1);
        if (wait(&status) < 0 || status)
            return 96;
    }
    return 0;
}

/* Filters of those lengths, two of each, which differ in their last instruction alone; each of a process of its own. */
static int lengthy(void)
{
    static const unsigned lengths[] = {5, 16, 17, 256, 257, 4095, 4096};
    static struct sock_filter code[4096];

    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int number = 1; number <= 2; number++) {
            struct sock_fprog program = {lengths[i], code};
            int status = 0;

            for (unsigned at = 0; at < lengths[i]; at++)
                code[at] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
            code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
            code[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getppid, 0, 1);
            code[2] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, lengths[i] - 4, 0, 0);
            code[lengths[i] - 1].k = SECCOMP_RET_ERRNO | number;
            if (!fork())
                _exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                      syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) || calls(1) != 1);
            if (wait(&status) < 0 || status)
                return 96;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";

    if (!strcmp(how, "allow"))
        return install(SECCOMP_RET_ALLOW, 0) || calls(2) != 0;
    if (!strcmp(how, "log"))
        return install(SECCOMP_RET_LOG, 0) || calls(2) != 0;
    if (!strcmp(how, "errno"))
        return install(SECCOMP_RET_ERRNO | EDOM, 0) || calls(3) != 3;
    if (!strcmp(how, "errno-0"))
        return install(SECCOMP_RET_ERRNO, 0) || calls(2) != 0;
    if (!strcmp(how, "trace"))
        return install(SECCOMP_RET_TRACE, 0) || calls(2) != 2;
    if (!strcmp(how, "notify"))
        return install(SECCOMP_RET_USER_NOTIF, 0) || calls(2) != 2;
    if (!strcmp(how, "supervised"))
        return with_supervisor();
    if (!strcmp(how, "trap")) {
        struct sigaction action = {.sa_handler = on_sigsys};

        sigaction(SIGSYS, &action, 0);
        install(SECCOMP_RET_TRAP, 0);
        calls(2);
        return trapped != 2;
    }
    if (!strcmp(how, "kill-process"))
        return install(SECCOMP_RET_KILL_PROCESS, 0) || calls(1);
    if (!strcmp(how, "kill-thread"))
        return install(SECCOMP_RET_KILL_THREAD, 0) || in_thread();
    if (!strcmp(how, "kill-last-thread"))
        return install(SECCOMP_RET_KILL_THREAD, 0) || calls(1);
    if (!strcmp(how, "many"))
        return many();
    if (!strcmp(how, "lengthy"))
        return lengthy();
    if (!strcmp(how, "child")) {
        install(SECCOMP_RET_ERRNO | EDOM, 0);
        if (!fork())
            _exit(calls(1) != 1);
        return wait(0) < 0;
    }
    /* An exec by a thread that is not the leader, whose filter goes on. */
    if (!strcmp(how, "thread-exec")) {
        char *words[] = {argv[0], "after-exec", 0};
        pthread_t thread;

        again = words;
        if (install(SECCOMP_RET_ERRNO | EDOM, 0) || pthread_create(&thread, 0, execute, 0))
            return 90;
        pthread_join(thread, 0);
        return 95;
    }
    if (!strcmp(how, "after-exec"))
        return calls(1) != 1;
    return 99;
}
