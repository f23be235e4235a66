// Children with the same name, with another name, and programs whose names differ after 15 bytes.
// A recorder that filters by the kernel's 15-byte task name confuses or loses these.
// copy: fifteen_bytes__and_one
// copy: fifteen_bytes__and_two
// expect: execve 3
// expect: clone 4
// expect: prctl 2
// expect: getppid 111
// expect: wait4 4
// expect: exit_group 3
// image: fifteen_bytes__and_one
// expect: getuid 1000
// expect: exit_group 1
// image: fifteen_bytes__and_two
// expect: getuid 2000
// expect: exit_group 1
#include "raw.h"

#define SET_NAME 15

static void run(char *program, char *count, char **envp)
{
	char *arguments[] = { program, count, 0 };
	long child = fork_process();

	if (child == 0) {
		sys(__NR_execve, program, arguments, envp);
		finish(1);
	}
	wait_child(child);
}

int witness(int argc, char **argv, char **envp)
{
	if (argc > 1) {
		repeat(number(argv[1]), __NR_getuid);
		return 0;
	}
	long same_name = fork_process();

	if (same_name == 0) {
		repeat(10, __NR_getppid);
		return 0;
	}
	wait_child(same_name);
	long other_name = fork_process();

	if (other_name == 0) {
		sys(__NR_prctl, SET_NAME, "other");
		repeat(100, __NR_getppid);
		return 0;
	}
	wait_child(other_name);
	sys(__NR_prctl, SET_NAME, "sandprint");
	sys(__NR_getppid);
	run("./fifteen_bytes__and_one", "1000", envp);
	run("./fifteen_bytes__and_two", "2000", envp);
	return 0;
}
