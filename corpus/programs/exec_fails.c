// execve fails a few times (no such file, a folder, no rights, no program), then succeeds.
// copy: found
// expect: execve 6
// expect: getppid 10
// image: found
// expect: getuid 20
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	static char *const wrong[] = { "./nowhere", "/", "/dev/null", "./nowhere/at/all" };
	char *arguments[] = { "./found", "found", 0 };

	(void)argv;
	if (argc > 1) {
		repeat(20, __NR_getuid);
		return 0;
	}
	for (int i = 0; i < 4; i++)
		if (sys(__NR_execve, wrong[i], arguments, envp) >= 0)
			return 1;
	repeat(10, __NR_getppid);
	sys(__NR_execve, arguments[0], arguments, envp);
	return 1;
}
