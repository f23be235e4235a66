// A program that never had a path: it is copied into a memfd, sealed, and started by execveat.
// gap: maybe image-unreadable
// expect: execve 1
// expect: memfd_create 1
// expect: openat 1
// expect: sendfile 1
// expect: clone 1
// expect: execveat 1
// expect: wait4 1
// expect: exit_group 1
// image: /memfd:carried
// expect: getppid 77
// expect: exit_group 1
#include "raw.h"

#define EMPTY_PATH 0x1000

int witness(int argc, char **argv, char **envp)
{
	char *arguments[] = { "carried", 0 };
	long file, memory, child;

	if (argc == 1 && same(argv[0], "carried")) {
		repeat(77, __NR_getppid);
		return 0;
	}
	memory = sys(__NR_memfd_create, "carried", 1 /* close on exec */);
	file = sys(__NR_openat, RAW_AT_FDCWD, "/proc/self/exe", 0, 0);
	if (memory < 0 || sys(__NR_sendfile, memory, file, 0, 1 << 30) <= 0)
		return 1;
	child = fork_process();
	if (child == 0) {
		sys(__NR_execveat, memory, "", arguments, envp, EMPTY_PATH);
		finish(1);
	}
	return wait_child(child) != 0;
}
