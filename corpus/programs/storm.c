// Everything at once: 64 threads call as fast as they can, while four more fork and wait.
// n: 5000 5
// expect: execve 1
// expect: rt_sigprocmask 1
// expect: clone 4n+68
// expect: getppid 640n
// expect: wait4 4n
// expect: exit 68
// expect: exit_group 4n+1
#include "raw.h"

#define CALLERS 64
#define FORKERS 4

static struct task tasks[CALLERS + FORKERS];
static long n;
static volatile int failed;

static void call(void *argument)
{
	(void)argument;
	repeat(10 * n, __NR_getppid);
	exit_thread();
}

static void fork_and_wait(void *argument)
{
	(void)argument;
	for (long i = 0; i < n; i++) {
		long child = fork_process();

		if (child == 0)
			finish(0);
		if (child < 0 || wait_child(child) != 0)
			set_word(&failed, 1);
	}
	exit_thread();
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)envp;
	n = number(argv[1]);
	block_sigchld();
	for (int i = 0; i < CALLERS + FORKERS; i++)
		if (start_thread(&tasks[i], i < CALLERS ? call : fork_and_wait, 0) < 0)
			return 1;
	for (int i = 0; i < CALLERS + FORKERS; i++)
		join_thread(&tasks[i]);
	return failed;
}
