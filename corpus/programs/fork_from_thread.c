// A thread that is not the main one forks; the child belongs to the tree.
// expect: execve 1
// expect: clone 2
// expect: getppid 100
// expect: wait4 1
// expect: exit 1
// expect: getuid 1
// expect: exit_group 2
#include "raw.h"

static struct task task;

static void worker(void *argument)
{
	long child = fork_process();

	(void)argument;
	if (child == 0) {
		repeat(100, __NR_getppid);
		finish(0);
	}
	wait_child(child);
	exit_thread();
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	start_thread(&task, worker, 0);
	join_thread(&task);
	sys(__NR_getuid);
	return 0;
}
