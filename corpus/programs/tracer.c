// A tracer and its tracee in the tree: stops at every call change nothing of what is counted.
// strace: no (a process has one tracer, and this one's is its parent)
// expect: execve 1
// expect: clone 1
// expect: ptrace 23
// expect: getpid 1
// expect: kill 1
// expect: getppid 10
// expect: wait4 23
// expect: exit_group 2
#include "raw.h"

#define TRACEME 0
#define SYSCALL 24

int witness(int argc, char **argv, char **envp)
{
	int status, stops = 0;
	long child = fork_process();

	(void)argc, (void)argv, (void)envp;
	if (child == 0) {
		sys(__NR_ptrace, TRACEME);
		sys(__NR_kill, sys(__NR_getpid), RAW_SIGSTOP);
		repeat(10, __NR_getppid);
		return 0;
	}
	for (;;) {
		status = wait_child(child);
		if ((status & 127) == 0)
			break;
		stops++;
		sys(__NR_ptrace, SYSCALL, child, 0, 0);
	}
	return stops == 22 ? 0 : stops;
}
