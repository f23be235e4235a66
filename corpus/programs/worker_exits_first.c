// A worker thread ends first; the main thread goes on with calls that the worker never made.
// A recorder that forgets a process when any of its threads ends sees none of the last three.
// expect: execve 1
// expect: clone 1
// expect: uname 10
// expect: exit 1
// expect: nanosleep 1
// expect: getppid 1000
// expect: getuid 1
// expect: exit_group 1
#include "raw.h"

static struct task task;

static void worker(void *argument)
{
	static char name[6 * 65];

	(void)argument;
	for (int i = 0; i < 10; i++)
		sys(__NR_uname, name);
	exit_thread();
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	start_thread(&task, worker, 0);
	join_thread(&task);
	milliseconds(50); /* The rest of the worker's exit, after it has given up its memory. */
	repeat(1000, __NR_getppid);
	sys(__NR_getuid);
	return 0;
}
