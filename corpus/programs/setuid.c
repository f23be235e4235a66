// A program with the set-user-id bit runs with its owner's rights, and is recorded.
// The program that starts it is not privileged by it.
// needs: root
// copy: owned_by_nobody
// setuid: owned_by_nobody 65534
// expect: execve 2
// expect: geteuid 1
// image: owned_by_nobody
// expect: geteuid 1
// expect: getppid 1000
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	char *arguments[] = { "./owned_by_nobody", "again", 0 };
	long user = sys(__NR_geteuid);

	(void)argv;
	if (argc == 1) {
		if (user != 0)
			cannot("only root can hand a program to another user");
		sys(__NR_execve, arguments[0], arguments, envp);
		return 1;
	}
	if (user != 65534)
		cannot("the set-user-id bit has no effect in the temporary folder (nosuid)");
	repeat(1000, __NR_getppid);
	return 0;
}
