// clone shares what its flags say; whatever a child shares, its calls are counted.
// expect: execve 1
// expect: rt_sigprocmask 1
// expect: clone 9
// expect: getppid 90
// expect: wait4 9
// expect: exit 9
// expect: exit_group 1
#include "raw.h"

static struct task tasks[9];

static void child(void *argument)
{
	(void)argument;
	repeat(10, __NR_getppid);
	exit_thread();
}

/* Makes its own child a child of its parent. */
static void parent_of_sibling(void *argument)
{
	repeat(10, __NR_getppid);
	raw_clone(CLONE_PARENT | RAW_SIGCHLD, stack_top(&tasks[8]), 0, 0, 0, child, argument);
	exit_thread();
}

int witness(int argc, char **argv, char **envp)
{
	static const unsigned long flags[] = {
		RAW_SIGCHLD,
		0, /* No signal at its end. */
		CLONE_VM,
		CLONE_VM | RAW_SIGCHLD,
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | RAW_SIGCHLD,
		CLONE_VM | CLONE_VFORK | RAW_SIGCHLD,
		CLONE_FILES | CLONE_FS | CLONE_IO | CLONE_SYSVSEM | RAW_SIGCHLD,
	};

	(void)argc, (void)argv, (void)envp;
	block_sigchld();
	for (int i = 0; i < 7; i++) {
		long pid = raw_clone(flags[i], stack_top(&tasks[i]), 0, 0, 0, child, 0);

		if (pid < 0 || wait_child(pid) != 0)
			return 1;
	}
	/* Two children come of this one clone here: its own child is our child too. */
	if (raw_clone(RAW_SIGCHLD, stack_top(&tasks[7]), 0, 0, 0, parent_of_sibling, 0) < 0)
		return 1;
	return wait_child(-1) | wait_child(-1);
}
