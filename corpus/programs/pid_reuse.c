// The same PID, fifty times, for children that do different things.
// needs: root
// n: 50 50
// expect: execve 1
// expect: clone 1
// expect: clone3 n
// expect: wait4 n+1
// expect: getppid 25n
// expect: getuid 50n
// expect: exit_group n+1
// expect: exit 1
#include "raw.h"

static void even(void *argument)
{
	(void)argument;
	repeat(50, __NR_getppid);
	finish(0);
}

static void odd(void *argument)
{
	(void)argument;
	repeat(100, __NR_getuid);
	finish(0);
}

int witness(int argc, char **argv, char **envp)
{
	int pid = (int)fork_process();

	(void)argc, (void)envp;
	if (pid == 0)
		sys(__NR_exit, 0);
	wait_child(pid);
	for (long i = 0; i < number(argv[1]); i++) {
		struct clone_args args = {
			.exit_signal = RAW_SIGCHLD,
			.set_tid = (unsigned long)&pid,
			.set_tid_size = 1,
		};
		long child = raw_clone3(&args, sizeof(args), i % 2 ? odd : even, 0);

		if (child == -1 /* EPERM */)
			cannot("only root can choose the PID of a child");
		if (child != pid || wait_child(pid) != 0)
			return 1;
	}
	return 0;
}
