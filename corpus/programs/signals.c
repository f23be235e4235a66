// Signals: each handler returns through rt_sigreturn, and a sleep that a signal ends is not restarted.
// expect: execve 1
// expect: rt_sigaction 2
// expect: getpid 1
// expect: kill 100
// expect: setitimer 1
// expect: nanosleep 1
// expect: rt_sigreturn 101
// expect: getppid 101
// expect: exit_group 1
#include "signals.h"

static void on_signal(int signal)
{
	(void)signal;
	sys(__NR_getppid);
}

int witness(int argc, char **argv, char **envp)
{
	struct {
		long interval[2], value[2];
	} timer = { { 0, 0 }, { 0, 200000 } };
	struct {
		long seconds, nanoseconds;
	} time = { 20, 0 };
	long me = sys(__NR_getpid);

	(void)argc, (void)argv, (void)envp;
	handle(RAW_SIGUSR1, on_signal, 0);
	handle(14 /* SIGALRM */, on_signal, 0);
	for (int i = 0; i < 100; i++)
		sys(__NR_kill, me, RAW_SIGUSR1);
	sys(__NR_setitimer, 0 /* real time */, &timer, 0);
	return sys(__NR_nanosleep, &time, 0) == -4 /* EINTR */ ? 0 : 1;
}
