// Makes calls for two seconds while two timers interrupt it, and says how many it made, and how many failed.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long handled;

static void on_signal(int signal)
{
	(void)signal;
	handled++;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec often = { { 0, 730000 }, { 0, 730000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct itimerval regularly = { { 0, 1000 }, { 0, 1000 } }, stop = { { 0, 0 }, { 0, 0 } };
	struct timespec begin, now;
	sigset_t all;
	timer_t timer;
	long made = 0, failed = 0;

	action.sa_flags = argc > 1 && strcmp(argv[1], "restart") == 0 ? SA_RESTART : 0;
	sigaction(SIGALRM, &action, 0);
	sigaction(SIGUSR1, &action, 0);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &often, 0);
	setitimer(ITIMER_REAL, &regularly, 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		if (syscall(SYS_getppid) < 0)
			failed++;
		else
			made++;
		clock_gettime(CLOCK_MONOTONIC, &now); /* The vDSO's: no call. */
	} while (now.tv_sec - begin.tv_sec < 2);
	/* Signals come on: what has to succeed is tried until it does. */
	sigfillset(&all);
	while (sigprocmask(SIG_BLOCK, &all, 0) != 0)
		;
	timer_settime(timer, 0, &never, 0);
	setitimer(ITIMER_REAL, &stop, 0);
	printf("made %ld\nfailed %ld\nhandled %ld\n", made, failed, handled);
	return 0;
}
