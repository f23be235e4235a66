/* Calls that never fail with EINTR, and one that does, while a timer's signal comes again and again whose handler was set
 * without SA_RESTART. Says how often each failed, and how. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS 1000

static volatile sig_atomic_t signals;

static void count(int signal)
{
	(void)signal;
	signals++;
}

int main(void)
{
	struct sigaction handler = { .sa_handler = count };
	struct itimerval timer = { { 0, 300 }, { 0, 300 } };
	struct itimerval none = { { 0, 0 }, { 0, 0 } };
	struct itimerval late = { { 0, 0 }, { 0, 50000 } };
	int interrupted = 0, refused = 0, ends[2], forked = 0;
	ssize_t length;
	char byte;

	sigaction(SIGALRM, &handler, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; i < CALLS; i++) {
		if (sched_getscheduler(0) < 0) {
			interrupted += errno == EINTR;
			refused += errno != EINTR;
		}
	}
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		forked += child > 0;
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	setitimer(ITIMER_REAL, &none, NULL);
	printf("asked: %d interrupted, %d refused; %d forks; signals %s\n", interrupted, refused, forked,
	       signals > 0 ? "came" : "did not come");

	if (pipe(ends) < 0)
		return 1;
	setitimer(ITIMER_REAL, &late, NULL);
	length = read(ends[0], &byte, 1);
	printf("read: %zd, %s\n", length, errno == EINTR ? "interrupted" : "something else");
	return 0;
}
