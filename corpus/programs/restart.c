// A sleep that is stopped and continued: the kernel makes the process call restart_syscall.
// expect: execve 1
// expect: rt_sigprocmask 1
// expect: pipe2 1
// expect: clone 1
// expect: write 1
// expect: read 1
// expect: nanosleep 2
// expect: restart_syscall 1
// expect: kill 2
// expect: wait4 2
// expect: exit_group 2
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	static char bytes[1];
	int ends[2];
	long child;

	(void)argc, (void)argv, (void)envp;
	block_sigchld();
	sys(__NR_pipe2, ends, 0);
	child = fork_process();
	if (child == 0) {
		sys(__NR_write, ends[1], "", 1);
		milliseconds(2500);
		return 0;
	}
	sys(__NR_read, ends[0], bytes, 1);
	milliseconds(1000); /* The child sleeps by now. */
	sys(__NR_kill, child, RAW_SIGSTOP);
	int status = -1;

	sys(__NR_wait4, child, &status, RAW_WUNTRACED, 0);
	if ((status & 255) != 127)
		return 1;
	sys(__NR_kill, child, RAW_SIGCONT);
	return wait_child(child) != 0;
}
