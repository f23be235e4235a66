// Calls that the program sends to its own handler by "syscall user dispatch" never reach the kernel's table.
// Neither does strace see them.
// arch: x86_64
// needs: user_dispatch
// expect: execve 1
// expect: prctl 1
// expect: rt_sigaction 1
// expect: rt_sigreturn 5
// expect: getuid 5
// expect: exit_group 1
#include "signals.h"

static volatile char selector;
static volatile int dispatched;

static void on_sigsys(int signal)
{
	(void)signal;
	selector = 0; /* Let calls pass, rt_sigreturn first. */
	dispatched++;
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	handle(31, on_sigsys, 0);
	if (sys(__NR_prctl, 59, 1, 0, 0, &selector) != 0)
		cannot("this kernel has no syscall user dispatch");
	for (int i = 0; i < 5; i++) {
		selector = 1;
		sys(__NR_getppid);
		sys(__NR_getuid);
	}
	return dispatched == 5 ? 0 : 1;
}
