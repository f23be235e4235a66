// SPDX-License-Identifier: Apache-2.0
// Runs a command, whose output goes to /dev/null. Prints its PID at once, and at its end its peak resident
// memory in KiB and its processor time in microseconds. The kernel counts the command's own children in: the
// peak is that of the largest among them, the time that of all for which somebody waited.
// Usage: peak COMMAND [ARGUMENT...]
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static long long microseconds(struct timeval time)
{
	return time.tv_sec * 1000000LL + time.tv_usec;
}

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
	printf("cpu_us %lld\n", microseconds(usage.ru_utime) + microseconds(usage.ru_stime));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
