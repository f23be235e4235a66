// The same path holds another program the second time it is started.
// Both are images of that name; what they called is theirs.
// gap: maybe image-unreadable
// program: getppid_loop
// program: grandchildren
// expect: execve 3
// expect: clone 2
// expect: wait4 2
// expect: renameat2 1
// expect: exit_group 1
// image: getppid_loop
// expect: getppid 61
// expect: clone 30
// expect: wait4 30
// expect: exit_group 32
#include "raw.h"

static int run(char **envp)
{
	char *arguments[] = { "./getppid_loop", "30", 0 };
	long child = fork_process();

	if (child == 0) {
		sys(__NR_execve, arguments[0], arguments, envp);
		finish(1);
	}
	return wait_child(child) != 0;
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv;
	if (run(envp) != 0)
		return 1;
	if (sys(__NR_renameat2, RAW_AT_FDCWD, "./grandchildren", RAW_AT_FDCWD, "./getppid_loop", 0) != 0)
		return 1;
	return run(envp);
}
