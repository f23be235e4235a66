/* A second thread makes the call that the policy decides; the first waits and ends with 7, if it still can. */
#include "raw.h"

static char stack[65536] __attribute__((aligned(16)));
static volatile int alive = 1;

static void second(void *argument)
{
	(void)argument;
	sys(__NR_getppid);
	for (;;)
		sys(__NR_exit, 0);
}

int witness(int argc, char **argv, char **envp)
{
	/* A thread; the kernel clears the word when it has ended. */
	unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			      CLONE_CHILD_CLEARTID;

	(void)argc, (void)argv, (void)envp;
	if (raw_clone(flags, stack + sizeof(stack), 0, &alive, 0, second, 0) < 0)
		return 1;
	spin_until(&alive, 0);
	return 7;
}
