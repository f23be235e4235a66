// Every process makes two more, ten levels deep, all at once.
// n: 2047 2047
// expect: execve 1
// expect: rt_sigprocmask 1
// expect: clone n-1
// expect: wait4 n-1
// expect: getppid n
// expect: exit_group n
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	long failed = 0;
	long children[2];

	(void)argc, (void)argv, (void)envp;
	block_sigchld();
	for (int level = 0; level < 10; level++) {
		int i;

		for (i = 0; i < 2; i++) {
			children[i] = fork_process();
			if (children[i] == 0)
				break;
		}
		if (i < 2)
			continue; /* A child goes on with the next level. */
		sys(__NR_getppid);
		for (i = 0; i < 2; i++)
			failed |= children[i] < 0 || wait_child(children[i]) != 0;
		return (int)failed;
	}
	sys(__NR_getppid);
	return 0;
}
