// A whole 32-bit program: it forks, waits, and starts a 64-bit program.
// Its own execve was a 64-bit call: the program that started it is one.
// arch: x86_64
// abi: i386
// needs: i386
// program: getppid_loop
// expect: x86_64 execve 1
// expect: i386 getppid 1000
// expect: i386 getuid32 3
// expect: i386 clone 1
// expect: i386 waitpid 1
// expect: i386 execve 1
// expect: i386 exit_group 1
// image: getppid_loop
// expect: getppid 70
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	char *arguments[] = { "./getppid_loop", "70", 0 };
	int status = -1;

	(void)argc, (void)argv;
	long child = fork_process();

	if (child == 0) {
		sys(__NR_execve, arguments[0], arguments, envp);
		finish(1);
	}
	repeat(1000, __NR_getppid);
	repeat(3, __NR_getuid32);
	sys(__NR_waitpid, child, &status, 0);
	return status;
}
