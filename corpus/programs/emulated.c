// A tracer in the tree answers its tracee's calls itself: they never run.
// arch: x86_64
// strace: no (a process has one tracer, and this one's is its parent)
// expect: execve 1
// expect: clone 1
// expect: ptrace 13
// expect: getpid 1
// expect: kill 2
// expect: wait4 12
// expect: exit_group 1
#include "raw.h"

#define TRACEME 0
#define SYSEMU 31

int witness(int argc, char **argv, char **envp)
{
	long child = fork_process();

	(void)argc, (void)argv, (void)envp;
	if (child == 0) {
		sys(__NR_ptrace, TRACEME);
		sys(__NR_kill, sys(__NR_getpid), RAW_SIGSTOP);
		for (;;)
			sys(__NR_getppid);
	}
	/* One stop by the signal, then one at each of twelve calls that the tracer swallows. */
	for (int i = 0; i < 12; i++) {
		if ((wait_child(child) & 255) != 127)
			return 1;
		if (sys(__NR_ptrace, SYSEMU, child, 0, 0) != 0)
			return 2;
	}
	sys(__NR_kill, child, RAW_SIGKILL);
	return 0;
}
