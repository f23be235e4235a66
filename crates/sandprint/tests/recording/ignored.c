// Waits in one call after the other while signals come that have no effect, and says which of them did not run as it
// would without them: to its end, for its time.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct timespec begin;

static void begins(void)
{
	clock_gettime(CLOCK_MONOTONIC, &begin);
}

// Half a second, and not much more.
static void ends(const char *name, long result, long expected, int error)
{
	struct timespec now;
	long ms;
	int seen = errno;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000;
	if (result != expected || (expected < 0 && seen != error))
		printf("%s: %ld %s\n", name, result, result < 0 ? strerror(seen) : "");
	if (ms < 490 || ms > 1500)
		printf("%s: %ld ms\n", name, ms);
}

static void on_signal(int signal)
{
	(void)signal;
}

int main(int argc, char **argv)
{
	static const struct timespec half = { 0, 500000000 };
	struct timeval as_timeval = { 0, 500000 };
	struct sembuf take = { 0, -1, 0 };
	struct epoll_event event;
	int epoll = epoll_create1(0), sems = semget(IPC_PRIVATE, 1, 0600), ends_of[2];
	struct timespec often = { 0, 20000000 };
	sigset_t set;
	pid_t sender, me = getpid();
	int sent = SIGWINCH;
	char byte;

	if (argc > 1 && strcmp(argv[1], "ignore") == 0) {
		sent = SIGUSR1;
		signal(SIGUSR1, SIG_IGN);
	}
	if (argc > 1 && strcmp(argv[1], "handle") == 0) {
		// Another one has a handler, which never runs.
		struct sigaction action = { .sa_handler = on_signal };
		sigaction(SIGUSR2, &action, 0);
	}
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends_of);
	setsockopt(ends_of[0], SOL_SOCKET, SO_RCVTIMEO, &as_timeval, sizeof(as_timeval));
	sender = fork();
	if (sender == 0) {
		while (kill(me, sent) == 0 && getppid() == me)
			nanosleep(&often, 0);
		_exit(0);
	}
	begins();
	ends("epoll_wait", syscall(SYS_epoll_wait, epoll, &event, 1, 500), 0, 0);
	begins();
	ends("epoll_pwait", syscall(SYS_epoll_pwait, epoll, &event, 1, 500, 0, 8), 0, 0);
	begins();
	ends("epoll_pwait2", syscall(SYS_epoll_pwait2, epoll, &event, 1, &half, 0, 8), 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, 0);
	begins();
	ends("sigtimedwait", syscall(SYS_rt_sigtimedwait, &set, 0, &half, 8), -1, EAGAIN);
	begins();
	ends("semtimedop", syscall(SYS_semtimedop, sems, &take, 1, &half), -1, EAGAIN);
	begins();
	ends("poll", syscall(SYS_poll, 0, 0, 500), 0, 0);
	begins();
	ends("nanosleep", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &half, 0), 0, 0);
	begins();
	// Takes all of its time once more with each signal; only that it does not fail is asked here.
	kill(sender, SIGKILL);
	while (waitpid(sender, 0, 0) < 0)
		;
	ends("recv", recv(ends_of[0], &byte, 1, 0), -1, EAGAIN);
	semctl(sems, 0, IPC_RMID);
	return 0;
}
