// A thread that is not the main one calls execve: its tid becomes the leader's, the others die.
// What the killed threads called before stays counted, under the program that they ran.
// copy: after
// expect: execve 2
// expect: clone 4
// expect: getuid 10
// expect: getppid 3000
// image: after
// expect: getgid 5
// expect: exit_group 1
#include "raw.h"

static struct task busy[3], executor;
static volatile int done;
static char **environment;

static void busy_worker(void *argument)
{
	(void)argument;
	repeat(1000, __NR_getppid);
	add_one(&done);
	spin_forever();
}

static void executing_worker(void *argument)
{
	char *arguments[] = { "./after", "after", 0 };

	(void)argument;
	spin_until(&done, 4);
	sys(__NR_execve, arguments[0], arguments, environment);
	finish(1);
}

int witness(int argc, char **argv, char **envp)
{
	if (argc > 1 && same(argv[1], "after")) {
		repeat(5, __NR_getgid);
		return 0;
	}
	environment = envp;
	for (int i = 0; i < 3; i++)
		start_thread(&busy[i], busy_worker, 0);
	start_thread(&executor, executing_worker, 0);
	repeat(10, __NR_getuid);
	add_one(&done);
	spin_forever();
}
