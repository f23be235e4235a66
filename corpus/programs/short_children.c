// Thousands of children that live for two calls.
// n: 10000 200
// expect: execve 1
// expect: clone n
// expect: getppid n
// expect: wait4 n
// expect: exit_group n+1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)envp;
	for (long i = number(argv[1]); i > 0; i--) {
		long child = fork_process();

		if (child == 0) {
			sys(__NR_getppid);
			return 0;
		}
		if (child < 0 || wait_child(child) != 0)
			return 1;
	}
	return 0;
}
