// A C library reads the clock through the vDSO where it can: then no call is made.
// libc: dynamic
// expect: as strace
#define _GNU_SOURCE
#include <sched.h>
#include <sys/time.h>
#include <time.h>

int main(void)
{
	struct timespec spec;
	struct timeval val;

	for (int i = 0; i < 1000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &spec);
		clock_gettime(CLOCK_REALTIME, &spec);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spec); /* Never in the vDSO. */
		gettimeofday(&val, 0);
		time(0);
		sched_getcpu();
	}
	return 0;
}
