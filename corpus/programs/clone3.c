// clone3 makes processes and threads; a clone3 that fails makes nothing.
// expect: execve 1
// expect: clone3 21
// expect: getppid 100
// expect: wait4 10
// expect: getuid 100
// expect: exit 10
// expect: exit_group 11
#include "raw.h"

static struct task tasks[10];

static void process(void *argument)
{
	(void)argument;
	repeat(10, __NR_getppid);
	finish(0);
}

static void thread(void *argument)
{
	(void)argument;
	repeat(10, __NR_getuid);
	exit_thread();
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	for (int i = 0; i < 10; i++) {
		struct clone_args args = { .exit_signal = RAW_SIGCHLD };
		long child = raw_clone3(&args, sizeof(args), process, 0);

		if (child < 0 || wait_child(child) != 0)
			return 1;
	}
	for (int i = 0; i < 10; i++) {
		struct clone_args args = {
			.flags = THREAD_FLAGS,
			.stack = (unsigned long)tasks[i].stack,
			.stack_size = STACK_SIZE,
			.parent_tid = (unsigned long)&tasks[i].tid,
			.child_tid = (unsigned long)&tasks[i].tid,
		};

		if (raw_clone3(&args, sizeof(args), thread, 0) < 0)
			return 1;
	}
	for (int i = 0; i < 10; i++)
		join_thread(&tasks[i]);
	if (raw_clone3(0, 1, process, 0) >= 0)
		return 1;
	return 0;
}
