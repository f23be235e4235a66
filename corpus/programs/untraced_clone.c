// A child made with CLONE_UNTRACED: a tracer cannot follow it, a recorder must.
// strace: no (the flag is made to keep tracers off)
// expect: execve 1
// expect: clone 1
// expect: getppid 100
// expect: wait4 1
// expect: exit_group 2
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	long child = sys(__NR_clone, CLONE_UNTRACED | RAW_SIGCHLD);

	(void)argc, (void)argv, (void)envp;
	if (child == 0) {
		repeat(100, __NR_getppid);
		return 0;
	}
	return wait_child(child) != 0;
}
