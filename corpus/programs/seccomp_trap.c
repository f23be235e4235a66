// A filter of the program's own traps one call: SIGSYS comes, the call never runs.
// gap: seccomp-installed
// expect: execve 1
// expect: rt_sigaction 1
// expect: prctl 1
// expect: seccomp 1
// expect: getppid 5
// expect: rt_sigreturn 5
// expect: exit_group 1
// refused: getuid 5
#include "filter.h"
#include "signals.h"

static volatile int trapped;

static void on_sigsys(int signal)
{
	(void)signal;
	trapped++;
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	handle(31, on_sigsys, 0);
	if (install_filter(__NR_getuid, SECCOMP_RET_TRAP, 0) != 0)
		return 1;
	for (int i = 0; i < 5; i++) {
		sys(__NR_getuid);
		sys(__NR_getppid);
	}
	return trapped == 5 ? 0 : 1;
}
