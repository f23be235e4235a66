// The main thread ends the process while threads are busy: what they called stays counted.
// expect: execve 1
// expect: clone 8
// expect: getppid 8000
// expect: exit_group 1
#include "raw.h"

static struct task tasks[8];
static volatile int done;

static void work(void *argument)
{
	(void)argument;
	repeat(1000, __NR_getppid);
	add_one(&done);
	spin_forever();
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	for (int i = 0; i < 8; i++)
		start_thread(&tasks[i], work, 0);
	spin_until(&done, 8);
	return 0;
}
