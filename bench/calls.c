// SPDX-License-Identifier: Apache-2.0
// The cheapest call, as often as asked, by as many threads: prints nanoseconds of wall time per call.
// Usage: calls THREADS CALLS_OF_EACH
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_THREADS 1024

static long calls;
static pthread_barrier_t start;

// Past libc, which is free to remember the answer.
static void call(void)
{
	for (long i = 0; i < calls; i++)
		syscall(SYS_getppid);
}

static void *thread(void *unused)
{
	pthread_barrier_wait(&start);
	call();
	return unused;
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

int main(int argc, char **argv)
{
	static pthread_t threads[MOST_THREADS];
	long count = argc == 3 ? atol(argv[1]) : 0;
	double began;

	calls = argc == 3 ? atol(argv[2]) : 0;
	if (count < 1 || count > MOST_THREADS || calls < 1) {
		fprintf(stderr, "usage: calls THREADS CALLS_OF_EACH\n");
		return 2;
	}
	// Whatever becomes of the recorder around it, this ends.
	alarm(300);
	if (count == 1) {
		began = now_ns();
		call();
	} else {
		// The main thread waits with them, so that all are there when the clock starts.
		pthread_barrier_init(&start, NULL, count + 1);
		for (long i = 0; i < count; i++) {
			if (pthread_create(&threads[i], NULL, thread, NULL) != 0) {
				fprintf(stderr, "pthread_create failed\n");
				return 1;
			}
		}
		began = now_ns();
		pthread_barrier_wait(&start);
		for (long i = 0; i < count; i++)
			pthread_join(threads[i], NULL);
	}
	printf("%.2f\n", (now_ns() - began) / ((double)count * (double)calls));
	return 0;
}
