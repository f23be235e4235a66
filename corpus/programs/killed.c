// Processes that SIGKILL ends in the middle: while they compute, with busy threads, by their own hand.
// What they called before is counted.
// expect: execve 1
// expect: pipe2 1
// expect: clone 6
// expect: getppid 7000
// expect: write 5
// expect: read 5
// expect: kill 3
// expect: getpid 1
// expect: wait4 3
// expect: exit_group 1
#include "raw.h"

static struct task tasks[3];
static int pipe_ends[2];

static void work(void *argument)
{
	(void)argument;
	repeat(1000, __NR_getppid);
	sys(__NR_write, pipe_ends[1], "", 1);
	spin_forever();
}

int witness(int argc, char **argv, char **envp)
{
	static char bytes[1];
	long child;

	(void)argc, (void)argv, (void)envp;
	sys(__NR_pipe2, pipe_ends, 0);

	child = fork_process();
	if (child == 0)
		work(0);
	sys(__NR_read, pipe_ends[0], bytes, 1);
	sys(__NR_kill, child, RAW_SIGKILL);
	if (wait_child(child) != RAW_SIGKILL)
		return 1;

	child = fork_process();
	if (child == 0) {
		for (int i = 0; i < 3; i++)
			start_thread(&tasks[i], work, 0);
		work(0);
	}
	for (int i = 0; i < 4; i++)
		sys(__NR_read, pipe_ends[0], bytes, 1);
	sys(__NR_kill, child, RAW_SIGKILL);
	if (wait_child(child) != RAW_SIGKILL)
		return 1;

	child = fork_process();
	if (child == 0) {
		repeat(2000, __NR_getppid);
		sys(__NR_kill, sys(__NR_getpid), RAW_SIGKILL);
	}
	return wait_child(child) != RAW_SIGKILL;
}
