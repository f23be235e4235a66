// SPDX-License-Identifier: Apache-2.0
// A cheap call, as often as asked, by as many threads: prints nanoseconds of wall time per call.
// Usage: calls THREADS CALLS_OF_EACH [CALL]
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_THREADS 1024

// The first one is the cheapest, and what is called where nothing is said.
static const struct choice {
	const char *name;
	long number, first, second;
} choices[] = {
	{"getppid", SYS_getppid, 0, 0},
	{"fcntl", SYS_fcntl, STDIN_FILENO, F_GETFD},
	// Asks, and changes nothing (personality(2)).
	{"personality", SYS_personality, 0xffffffff, 0},
	// For a filter that lets fcntl through with other arguments: where this succeeds, nothing is
	// filtered.
	{"fcntl-refused", SYS_fcntl, STDIN_FILENO, F_GETOWN},
};

static struct choice chosen;
static long calls;
static pthread_barrier_t start;

static const struct choice *choose(const char *name)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (strcmp(choices[i].name, name) == 0)
			return &choices[i];
	return NULL;
}

// Past libc, which is free to remember the answer. Not zero if one of them failed.
static long call(void)
{
	const struct choice of = chosen;
	long answers = 0;

	for (long i = 0; i < calls; i++)
		answers |= syscall(of.number, of.first, of.second);
	return answers < 0;
}

static void *thread(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&start);
	return (void *)call();
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
	const struct choice *choice = argc == 4 ? choose(argv[3]) : &choices[0];
	long count = argc >= 3 ? atol(argv[1]) : 0;
	long failed = 0;
	double began;

	calls = argc >= 3 ? atol(argv[2]) : 0;
	if (argc > 4 || !choice || count < 1 || count > MOST_THREADS || calls < 1) {
		fprintf(stderr, "usage: calls THREADS CALLS_OF_EACH [CALL]\n");
		return 2;
	}
	chosen = *choice;
	// Whatever becomes of the recorder around it, this ends.
	alarm(300);
	if (count == 1) {
		began = now_ns();
		failed = call();
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
		for (long i = 0; i < count; i++) {
			void *result;

			pthread_join(threads[i], &result);
			failed |= (long)result;
		}
	}
	printf("%.2f\n", (now_ns() - began) / ((double)count * (double)calls));
	if (failed) {
		fprintf(stderr, "%s failed: %m\n", chosen.name);
		return 1;
	}
	return 0;
}
