// Threads that come and go by the thousand, eight at a time.
// n: 250 10
// expect: execve 1
// expect: clone 8n
// expect: getppid 8n
// expect: exit 8n
// expect: exit_group 1
#include "raw.h"

static struct task tasks[8];

static void work(void *argument)
{
	(void)argument;
	sys(__NR_getppid);
	exit_thread();
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)envp;
	for (long i = number(argv[1]); i > 0; i--) {
		for (int j = 0; j < 8; j++)
			if (start_thread(&tasks[j], work, 0) < 0)
				return 1;
		for (int j = 0; j < 8; j++)
			join_thread(&tasks[j]);
	}
	return 0;
}
