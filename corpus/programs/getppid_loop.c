// One thread makes one call in a loop.
// n: 1000 1000
// expect: execve 1
// expect: getppid n
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)envp;
	repeat(number(argv[1]), __NR_getppid);
	return 0;
}
