// Programs whose names hold what moves a cursor, ends a line, or is no text at all.
// copy: \x1b[31mred\x0aline
// copy: tab\x09here
// copy: \xff\xfe
// expect: execve 4
// expect: clone 3
// expect: wait4 3
// expect: exit_group 1
// image: \x1b[31mred\x0aline
// expect: getppid 1
// expect: exit_group 1
// image: tab\x09here
// expect: getppid 2
// expect: exit_group 1
// image: \xff\xfe
// expect: getppid 3
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	static char *names[] = { "./\x1b[31mred\nline", "./tab\there", "./\xff\xfe" };
	static char *counts[] = { "1", "2", "3" };

	if (argc > 1) {
		repeat(number(argv[1]), __NR_getppid);
		return 0;
	}
	for (int i = 0; i < 3; i++) {
		char *arguments[] = { names[i], counts[i], 0 };
		long child = fork_process();

		if (child == 0) {
			sys(__NR_execve, names[i], arguments, envp);
			finish(1);
		}
		if (wait_child(child) != 0)
			return 1;
	}
	return 0;
}
