// SPDX-License-Identifier: Apache-2.0
// The same behaviour for as long as asked: calls, and now and then a process that executes this program
// again. What a recorder keeps of it must not depend on how long that was.
// Usage: steady MILLISECONDS
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLS_PER_PROCESS 10000

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	double end = now_ms() + (argc == 2 ? atof(argv[1]) : 0);

	// Whatever becomes of the recorder around it, this ends.
	alarm(300);
	while (now_ms() < end) {
		pid_t child;
		int status;

		for (int i = 0; i < CALLS_PER_PROCESS; i++)
			syscall(SYS_getppid);
		child = fork();
		if (child == 0) {
			execl(argv[0], argv[0], "0", NULL);
			_exit(1);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
			fprintf(stderr, "a child failed\n");
			return 1;
		}
	}
	return 0;
}
