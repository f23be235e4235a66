// A signal that a thread sends to its own process ends it, with other threads busy.
// exit: signal 15
// expect: execve 1
// expect: clone 4
// expect: getppid 4000
// expect: getpid 1
// expect: kill 1
#include "raw.h"

static struct task tasks[4];
static volatile int done;

static void work(void *argument)
{
	repeat(1000, __NR_getppid);
	add_one(&done);
	if (argument) {
		spin_until(&done, 4);
		sys(__NR_kill, sys(__NR_getpid), 15);
	}
	spin_forever();
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	for (int i = 0; i < 4; i++)
		start_thread(&tasks[i], work, i == 2 ? &tasks[i] : 0);
	spin_forever();
}
