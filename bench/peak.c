// SPDX-License-Identifier: Apache-2.0
// Runs a command, whose output goes to /dev/null. Prints its PID at once, and its peak resident memory in KiB
// at its end. The kernel counts the command's own children in: the peak is that of the largest among them.
// Usage: peak COMMAND [ARGUMENT...]
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	pid_t child;

	if (argc < 2) {
		fprintf(stderr, "usage: peak COMMAND [ARGUMENT...]\n");
		return 2;
	}
	child = fork();
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDOUT_FILENO);
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	printf("pid %d\n", child);
	fflush(stdout);
	if (child < 0 || wait4(child, &status, 0, &usage) < 0) {
		perror("peak");
		return 1;
	}
	printf("peak_kib %ld\n", usage.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
