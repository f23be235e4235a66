// More distinct calls than a recorder may have room for: one of each number from 100000 on.
// n: 140000 5
// strace: no (the table would need a line for each number)
// expect: execve 1
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)envp;
	for (long i = number(argv[1]); i > 0; i--)
		sys(100000 + i);
	return 0;
}
