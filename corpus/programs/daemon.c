// A daemon: it forks twice, leaves its session, and works on after its parents are gone.
// expect: execve 1
// expect: clone 2
// expect: setsid 1
// expect: nanosleep 1
// expect: getppid 100
// expect: exit_group 3
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	if (fork_process() != 0)
		return 0;
	sys(__NR_setsid);
	if (fork_process() != 0)
		return 0;
	milliseconds(300);
	repeat(100, __NR_getppid);
	return 0;
}
