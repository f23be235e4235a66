// A filter of the program's own answers one call with an error: that call never runs.
// The others, made under the filter, do.
// gap: seccomp-installed
// expect: execve 1
// expect: getuid 10
// expect: prctl 1
// expect: seccomp 1
// expect: getppid 1000
// expect: exit_group 1
// refused: getuid 26
#include "filter.h"

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	repeat(10, __NR_getuid);
	if (install_filter(__NR_getuid, SECCOMP_RET_ERRNO | 1, 0) != 0)
		return 1;
	repeat(1000, __NR_getppid);
	repeat(25, __NR_getuid);
	return sys(__NR_getuid) == -1 ? 0 : 1;
}
