// A program that is started inside another root: its path there is not its path here.
// gap: maybe image-unreadable
// needs: namespaces
// copy: inside
// expect: execve 2
// expect: unshare 1
// expect: chroot 1
// image: /inside
// expect: getppid 1000
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	char *arguments[] = { "/inside", "inside", 0 };

	(void)argv;
	if (argc > 1) {
		repeat(1000, __NR_getppid);
		return 0;
	}
	if (sys(__NR_unshare, CLONE_NEWUSER | CLONE_NEWNS) != 0)
		cannot("this machine gives no user namespaces");
	if (sys(__NR_chroot, ".") != 0)
		return 1;
	sys(__NR_execve, arguments[0], arguments, envp);
	return 1;
}
