// Asks to trace somebody, or to be traced, and ends with 0 where that went as it does when nobody else traces.
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	pid_t child;
	int status;

	if (!strcmp(what, "me")) {
		child = fork();
		if (child == 0) {
			if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
				_exit(2);
			raise(SIGSTOP);
			_exit(3);
		}
		if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
			return 1;
		ptrace(PTRACE_CONT, child, 0, 0);
		if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 3)
			return 1;
		return 0;
	}
	if (!strcmp(what, "itself"))
		return ptrace(PTRACE_ATTACH, getpid(), 0, 0) == 0;
	if (!strcmp(what, "nobody"))
		return ptrace(PTRACE_SEIZE, 0x3fffffff, 0, 0) == 0;
	if (!strcmp(what, "above"))
		// Without an option there is no such request.
		return ptrace(PTRACE_SEIZE, getppid(), 1, 0) == 0;
	child = fork();
	if (child == 0)
		for (;;)
			pause();
	if (ptrace(PTRACE_ATTACH, child, 0, 0) < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return 1;
	kill(child, SIGKILL);
	if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
		return 1;
	return 0;
}
