// A 64-bit process makes 32-bit calls through int 0x80, from two threads, between its own.
// The same number means another call there: 64 is getppid in one ABI and semget in the other.
// arch: x86_64
// needs: i386
// expect: execve 1
// expect: getppid 100
// expect: clone 2
// expect: wait4 1
// expect: exit 1
// expect: exit_group 2
// expect: i386 getppid 301
// expect: i386 getpid 20
// expect: i386 socketcall 3
// expect: i386 ipc 2
// expect: i386 nr=9999 1
#include "raw.h"

static struct task task;

static void worker(void *argument)
{
	(void)argument;
	for (int i = 0; i < 20; i++)
		int80(20, 0, 0, 0); /* getpid */
	exit_thread();
}

int witness(int argc, char **argv, char **envp)
{
	/* Where the kernel does not serve these calls, the child dies of one. */
	long child = fork_process();

	(void)argc, (void)argv, (void)envp;
	if (child == 0) {
		int80(64, 0, 0, 0);
		return 0;
	}
	if (wait_child(child) != 0)
		cannot("this kernel serves no 32-bit calls");
	start_thread(&task, worker, 0);
	for (int i = 0; i < 100; i++) {
		sys(__NR_getppid);
		for (int j = 0; j < 3; j++)
			int80(64, 0, 0, 0); /* getppid */
	}
	join_thread(&task);
	for (int i = 0; i < 3; i++)
		int80(102, 0, 0, 0); /* socketcall */
	int80(117, 0, 0, 0); /* ipc */
	int80(117, 0, 0, 0);
	int80(9999, 0, 0, 0);
	return 0;
}
