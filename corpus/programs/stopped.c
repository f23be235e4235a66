// A process that is stopped and continued again and again, while it works.
// expect: execve 1
// expect: rt_sigprocmask 1
// expect: clone 1
// expect: kill 20
// expect: getppid 11000
// expect: getpid 10
// expect: wait4 11
// expect: exit_group 2
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	long child;

	(void)argc, (void)argv, (void)envp;
	block_sigchld();
	child = fork_process();
	if (child == 0) {
		for (int i = 0; i < 10; i++) {
			repeat(1000, __NR_getppid);
			sys(__NR_kill, sys(__NR_getpid), RAW_SIGSTOP);
		}
		repeat(1000, __NR_getppid);
		return 0;
	}
	for (int i = 0; i < 10; i++) {
		int status = -1;

		sys(__NR_wait4, child, &status, RAW_WUNTRACED, 0);
		if ((status & 255) != 127)
			return 1;
		sys(__NR_kill, child, RAW_SIGCONT);
	}
	return wait_child(child) != 0;
}
