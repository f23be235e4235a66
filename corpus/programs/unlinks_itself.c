// A program that removes its own file, and one that was removed before it was started.
// gap: maybe image-unreadable
// copy: doomed
// copy: gone
// expect: execve 2
// expect: clone 2
// expect: openat 1
// expect: unlinkat 1
// expect: execveat 1
// expect: wait4 2
// expect: exit_group 1
// image: doomed
// expect: unlinkat 1
// expect: getppid 1000
// expect: exit_group 1
// image: gone
// expect: getuid 500
// expect: exit_group 1
#include "raw.h"

#define CLOEXEC 02000000
#define EMPTY_PATH 0x1000

int witness(int argc, char **argv, char **envp)
{
	char *doomed[] = { "./doomed", "removes itself", 0 };
	char *gone[] = { "./gone", "was", "removed", 0 };
	long child, file;

	if (argc == 2) {
		sys(__NR_unlinkat, RAW_AT_FDCWD, argv[0], 0);
		repeat(1000, __NR_getppid);
		return 0;
	}
	if (argc == 3) {
		repeat(500, __NR_getuid);
		return 0;
	}
	child = fork_process();
	if (child == 0) {
		sys(__NR_execve, doomed[0], doomed, envp);
		finish(1);
	}
	if (wait_child(child) != 0)
		return 1;
	child = fork_process();
	if (child == 0) {
		file = sys(__NR_openat, RAW_AT_FDCWD, gone[0], CLOEXEC, 0);
		sys(__NR_unlinkat, RAW_AT_FDCWD, gone[0], 0);
		sys(__NR_execveat, file, "", gone, envp, EMPTY_PATH);
		finish(1);
	}
	return wait_child(child) != 0;
}
