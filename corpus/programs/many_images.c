// More programs than a recorder may keep apart: one script, started by a new path each time.
// strace: totals (it shows which script was started, not which program that ran)
// n: 4500 50
// script: s #!./many_images
// expect: execve n+1
// expect: clone n
// expect: wait4 n
// expect: getppid n
// expect: exit_group n+1
#include "raw.h"

/* The i-th way of writing "./s": where i has a bit, one more "." on the way. */
static void write_path(char *path, long i)
{
	*path++ = '.';
	for (int bit = 0; bit < 16; bit++) {
		*path++ = '/';
		if (i >> bit & 1)
			*path++ = '.';
	}
	*path++ = '/';
	*path++ = 's';
	*path = 0;
}

int witness(int argc, char **argv, char **envp)
{
	if (argv[argc - 1][0] == '.') {
		sys(__NR_getppid);
		return 0;
	}
	for (long i = number(argv[1]); i > 0; i--) {
		char path[64];
		char *arguments[] = { path, 0 };
		long child = fork_process();

		if (child == 0) {
			write_path(path, i);
			sys(__NR_execve, path, arguments, envp);
			finish(1);
		}
		if (child < 0 || wait_child(child) != 0)
			return 1;
	}
	return 0;
}
