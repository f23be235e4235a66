// A call that is made once, at once, after one second, and after three.
// expect: execve 1
// expect: getuid 1
// expect: getgid 1
// expect: getppid 1
// expect: nanosleep 2
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	sys(__NR_getuid);
	milliseconds(1000);
	sys(__NR_getgid);
	milliseconds(2000);
	sys(__NR_getppid);
	return 0;
}
