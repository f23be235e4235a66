// Threads, a child with a thread, a grandchild: all wait for the end of their input, then all work.
// The recording begins while they wait. What the main thread starts later belongs to it too.
// strace: no (the table begins where the recording does, when the program runs already)
// expect: getppid 6000
// expect: clone 1
// expect: getuid 500
// expect: exit 3
// expect: wait4 3
// expect: exit_group 4
#include "raw.h"

static struct task tasks[2];

/* Waits for the end of input, in one read that has begun before; then 1000 calls. */
static void work(void)
{
	char byte;

	sys(__NR_read, 0, &byte, 1);
	repeat(1000, __NR_getppid);
}

static void thread(void *argument)
{
	(void)argument;
	work();
	exit_thread();
}

int witness(int argc, char **argv, char **envp)
{
	long child, grandchild, late;

	(void)argc, (void)argv, (void)envp;
	child = fork_process();
	if (child == 0) {
		grandchild = fork_process();
		if (grandchild == 0) {
			work();
			return 0;
		}
		start_thread(&tasks[0], thread, 0);
		work();
		join_thread(&tasks[0]);
		return wait_child(grandchild);
	}
	start_thread(&tasks[0], thread, 0);
	start_thread(&tasks[1], thread, 0);
	work();
	late = fork_process();
	if (late == 0) {
		repeat(500, __NR_getuid);
		return 0;
	}
	join_thread(&tasks[0]);
	join_thread(&tasks[1]);
	return wait_child(child) | wait_child(late);
}
