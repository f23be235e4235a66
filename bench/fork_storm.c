// SPDX-License-Identifier: Apache-2.0
// Short children, many at once; each makes one call of its own: prints nanoseconds of wall time per child.
// Usage: fork_storm CHILDREN AT_ONCE
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static int reap(void)
{
	int status;

	return wait(&status) > 0 && status == 0;
}

int main(int argc, char **argv)
{
	long children = argc == 3 ? atol(argv[1]) : 0;
	long at_once = argc == 3 ? atol(argv[2]) : 0;
	double began;

	if (children < 1 || at_once < 1) {
		fprintf(stderr, "usage: fork_storm CHILDREN AT_ONCE\n");
		return 2;
	}
	// Whatever becomes of the recorder around it, this ends.
	alarm(300);
	began = now_ns();
	for (long i = 0; i < children; i++) {
		pid_t child;

		if (i >= at_once && !reap())
			return 1;
		child = fork();
		if (child == 0) {
			syscall(SYS_getppid);
			_exit(0);
		}
		if (child < 0) {
			perror("fork");
			return 1;
		}
	}
	for (long i = 0; i < at_once && i < children; i++)
		if (!reap())
			return 1;
	printf("%.2f\n", (now_ns() - began) / (double)children);
	return 0;
}
