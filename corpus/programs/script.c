// A script: the program is its interpreter, and the script's path stands beside it.
// Here the interpreter is a script itself once more, as the kernel allows.
// strace: totals (it shows which script was started, not which program that ran)
// script: first.sh #!./script
// script: second.sh #!./first.sh
// run: ./first.sh
// image: script ./first.sh
// expect: execve 2
// expect: getppid 12
// expect: clone 1
// expect: wait4 1
// expect: exit_group 1
// image: script ./second.sh
// expect: getuid 34
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	char *arguments[] = { "./second.sh", 0 };
	long child;

	if (!same(argv[argc - 1], "./first.sh")) {
		repeat(34, __NR_getuid);
		return 0;
	}
	repeat(12, __NR_getppid);
	child = fork_process();
	if (child == 0) {
		sys(__NR_execve, arguments[0], arguments, envp);
		finish(1);
	}
	return wait_child(child) != 0;
}
