// Children in namespaces of their own (user, PID, mount, UTS, IPC, network): PIDs there mean nothing here.
// strace: totals (it is told a PID as its namespace has it, and not whose child that is)
// needs: namespaces
// expect: execve 1
// expect: clone 9
// expect: unshare 1
// expect: getppid 700
// expect: wait4 9
// expect: exit_group 10
#include "raw.h"

static struct task task;

static void child(void *argument)
{
	(void)argument;
	repeat(100, __NR_getppid);
	finish(0);
}

/* In its own PID namespace it is PID 1, and its child PID 2, as in every other such namespace. */
static void first_process(void *argument)
{
	(void)argument;
	long pid = fork_process();

	if (pid == 0)
		child(0);
	finish(wait_child(pid) != 0 || pid != 2);
}

int witness(int argc, char **argv, char **envp)
{
	static const unsigned long flags[] = {
		CLONE_NEWNS,
		CLONE_NEWUTS | CLONE_NEWIPC,
		CLONE_NEWNET,
		CLONE_NEWCGROUP,
	};
	long pid;

	(void)argc, (void)argv, (void)envp;
	for (int i = 0; i < 4; i++) {
		pid = raw_clone(CLONE_NEWUSER | flags[i] | RAW_SIGCHLD, stack_top(&task), 0, 0, 0, child, 0);
		if (i == 0 && pid < 0)
			cannot("this machine gives no user namespaces");
		if (pid < 0 || wait_child(pid) != 0)
			return 1;
	}
	for (int i = 0; i < 2; i++) {
		pid = raw_clone(CLONE_NEWUSER | CLONE_NEWPID | RAW_SIGCHLD, stack_top(&task), 0, 0, 0,
				first_process, 0);
		if (pid < 0 || wait_child(pid) != 0)
			return 1;
	}
	if (sys(__NR_unshare, CLONE_NEWUSER | CLONE_NEWPID) != 0)
		return 1;
	pid = fork_process();
	if (pid == 0)
		child(0);
	return wait_child(pid) != 0;
}
