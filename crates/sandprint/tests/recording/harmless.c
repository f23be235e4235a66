// Does one thing that looks as if it kept a recorder from seeing all; or, as `strict`, one that a recorder may refuse.
// Says 77 where the kernel answers otherwise than without a recorder.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_signal(int signal)
{
	(void)signal;
}

static int fails(long result, int expected)
{
	return result == -1 && errno == expected;
}

// As libseccomp asks what a kernel has, and in other ways that every kernel refuses.
static int ask(void)
{
	int zero = 0;
	struct sock_filter allow = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	struct sock_fprog program = { 1, &allow }, empty = { 0, &allow };
	unsigned long listener = SECCOMP_FILTER_FLAG_NEW_LISTENER;

	return fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL)
		&& fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &zero), EINVAL)
		&& fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL), EFAULT)
		&& fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, NULL), EFAULT)
		&& fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, NULL), EFAULT)
		&& fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listener | SECCOMP_FILTER_FLAG_TSYNC, &program), EINVAL)
		&& fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0xffff, &program), EINVAL)
		// SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, which headers may lack, is about a listener.
		&& fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 5, &program), EINVAL)
		&& fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listener, &empty), EINVAL)
		&& fails(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &empty, 0, 0), EINVAL)
		&& fails(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0), EFAULT)
		&& fails(prctl(PR_SET_SECCOMP, 7, 0, 0, 0), EINVAL);
}

// Strict mode in a child, by one call or the other.
static int strict(int by_prctl, long operation)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		long result = by_prctl ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0)
			: syscall(SYS_seccomp, operation, 0, NULL);
		syscall(SYS_exit, result == 0 ? 0 : 1);
	}
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// One process gets signals, and its calls are made again; the other one's would fail, and it gets none.
static int signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
	int failed = 0;
	pid_t child = fork();

	if (child == 0) {
		sigaction(SIGUSR1, &action, 0);
		usleep(300000);
		_exit(0);
	}
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, 0);
	setitimer(ITIMER_REAL, &often, 0);
	for (int i = 0; i < 20000; i++)
		failed += syscall(SYS_getppid) < 0;
	failed += wait(0) != child;
	setitimer(ITIMER_REAL, &never, 0);
	return failed == 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "ask") == 0)
		return ask() ? 0 : 77;
	if (strcmp(what, "strict") == 0)
		return strict(0, SECCOMP_SET_MODE_STRICT) ? 0 : 77;
	// The kernel looks at the lower half only.
	if (strcmp(what, "strict-with-more-bits") == 0)
		return strict(0, 1L << 32 | SECCOMP_SET_MODE_STRICT) ? 0 : 77;
	if (strcmp(what, "strict-by-prctl") == 0)
		return strict(1, 0) ? 0 : 77;
	if (strcmp(what, "signals") == 0)
		return signals() ? 0 : 77;
	return 2;
}
