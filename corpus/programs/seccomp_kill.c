// Children whose own filter kills them at one call: the whole process, and one thread of it.
// gap: seccomp-installed
// expect: execve 1
// expect: clone 3
// expect: prctl 2
// expect: seccomp 2
// expect: getppid 200
// expect: getuid 10
// expect: wait4 2
// expect: nanosleep 1
// expect: exit_group 2
// refused: getpgid 2
#include "filter.h"

static struct task task;

static void killed_thread(void *argument)
{
	(void)argument;
	repeat(100, __NR_getppid);
	sys(__NR_getpgid, 0);
	exit_thread();
}

int witness(int argc, char **argv, char **envp)
{
	long child;

	(void)argc, (void)argv, (void)envp;
	child = fork_process();
	if (child == 0) {
		install_filter(__NR_getpgid, SECCOMP_RET_KILL_PROCESS, 0);
		repeat(100, __NR_getppid);
		sys(__NR_getpgid, 0);
		return 0;
	}
	if ((wait_child(child) & 127) != 31 /* SIGSYS */)
		return 1;

	child = fork_process();
	if (child == 0) {
		install_filter(__NR_getpgid, SECCOMP_RET_KILL_THREAD, 0);
		start_thread(&task, killed_thread, 0);
		join_thread(&task);
		milliseconds(50);
		repeat(10, __NR_getuid);
		return 0;
	}
	return wait_child(child) != 0;
}
