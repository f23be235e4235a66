// The main thread ends first; two workers go on, and the last of them ends the process.
// expect: execve 1
// expect: set_tid_address 1
// expect: clone 2
// expect: exit 2
// expect: nanosleep 2
// expect: getppid 1000
// expect: getuid 1
// expect: exit_group 1
#include "raw.h"

static struct task first, second;
static volatile int leader = 1;

static void work(void)
{
	spin_until(&leader, 0);
	milliseconds(50); /* The rest of the leader's exit. */
	repeat(500, __NR_getppid);
}

static void first_worker(void *argument)
{
	(void)argument;
	work();
	exit_thread();
}

static void second_worker(void *argument)
{
	(void)argument;
	work();
	join_thread(&first);
	sys(__NR_getuid);
	finish(0);
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	sys(__NR_set_tid_address, &leader);
	start_thread(&first, first_worker, 0);
	start_thread(&second, second_worker, 0);
	exit_thread();
}
