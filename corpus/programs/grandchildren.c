// A child of a child of a child, thirty deep.
// n: 30 30
// expect: execve 1
// expect: clone n
// expect: wait4 n
// expect: getppid n+1
// expect: exit_group n+1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	long depth = number(argv[1]);

	(void)argc, (void)envp;
	while (depth-- > 0) {
		long child = fork_process();

		if (child != 0) {
			sys(__NR_getppid);
			return wait_child(child) != 0;
		}
	}
	sys(__NR_getppid);
	return 0;
}
