// Asks to trace somebody, or to be traced, and ends well whatever comes of it.
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

	if (!strcmp(what, "me"))
		ptrace(PTRACE_TRACEME, 0, 0, 0);
	if (!strcmp(what, "itself"))
		ptrace(PTRACE_ATTACH, getpid(), 0, 0);
	if (!strcmp(what, "nobody"))
		ptrace(PTRACE_SEIZE, 0x3fffffff, 0, 0);
	// The kernel lets nobody trace the first process of all that is not its own.
	if (!strcmp(what, "init"))
		ptrace(PTRACE_SEIZE, getppid(), 1, 0);
	if (!strcmp(what, "child")) {
		child = fork();
		if (child == 0)
			for (;;)
				pause();
		ptrace(PTRACE_SEIZE, child, 0, 0);
		kill(child, SIGKILL);
		while (waitpid(child, 0, 0) < 0)
			;
	}
	return 0;
}
