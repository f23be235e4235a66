/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sessions record: one behaviour per mode, each with a ledger of its own.
 *
 * RARE is a call that neither libc nor a shell makes by itself: every one in a recording is ours. UNKNOWN is
 * a number that no kernel has: the recorder keeps it apart from the counters of a task. Standard input that
 * ends is the sign to go on: all of a tree hold its reading end, the test alone its writing end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define RARE SYS_sched_get_priority_max
#define UNKNOWN 900

static void rare(int times)
{
	for (int i = 0; i < times; i++)
		syscall(RARE, 0);
}

static void wait_for_go(void)
{
	char byte;

	while (read(0, &byte, 1) > 0 || errno == EINTR)
		errno = 0;
}

static int must_go(void)
{
	struct pollfd input = {.fd = 0, .events = POLLIN};

	return poll(&input, 1, 0) > 0;
}

static void say(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(90);
	close(fd);
}

static void start(pthread_t *thread, void *(*body)(void *), void *argument)
{
	if (pthread_create(thread, NULL, body, argument))
		_exit(91);
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		_exit(92);
	return pid;
}

static void wait_all(void)
{
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

static void *member_of_tree(void *unused)
{
	wait_for_go();
	rare(3);
	return unused;
}

/* tree DEPTH THREADS: a chain of processes with threads, each of which makes 3 rare calls. */
static int tree(int depth, int threads)
{
	pthread_t members[64];

	for (int i = 0; i < threads; i++)
		start(&members[i], member_of_tree, NULL);
	if (depth > 1) {
		if (!child())
			_exit(tree(depth - 1, threads));
	} else {
		say("ready", "ready\n");
	}
	member_of_tree(NULL);
	for (int i = 0; i < threads; i++)
		pthread_join(members[i], NULL);
	wait_all();
	return 0;
}

static atomic_int born;

/* Every other child has a thread, which makes the calls and may execute the program anew. */
static void *late_caller(void *program)
{
	wait_for_go();
	rare(7);
	if (program)
		execl(program, program, "rare", "2", NULL);
	return NULL;
}

static void *breed(void *program)
{
	while (!must_go() && atomic_load(&born) < 3000) {
		int number = atomic_fetch_add(&born, 1);

		if (!child()) {
			pthread_t thread;

			if (number % 8 == 1) {
				start(&thread, late_caller, NULL);
				pthread_join(thread, NULL);
			} else {
				late_caller(number % 8 == 2 ? program : NULL);
			}
			_exit(0);
		}
		usleep(500);
	}
	return NULL;
}

/* breed: threads that fork without end; every child makes 7 rare calls once it may go, some 2 more. */
static int breeder(char *program)
{
	pthread_t threads[3];
	int bred, executed = 0;

	for (int i = 0; i < 3; i++)
		start(&threads[i], breed, program);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	wait_for_go();
	wait_all();
	bred = atomic_load(&born);
	for (int number = 0; number < bred; number++)
		executed += number % 8 == 2;
	printf("%d\n", 7 * bred + 2 * executed);
	return 0;
}

static atomic_int *done;

static void *count_then_spin(void *unused)
{
	rare(50000);
	atomic_fetch_add(done, 1);
	while (!must_go())
		for (volatile int i = 0; i < 1000000; i++)
			;
	return unused;
}

/* Two calls, one counted by the task for itself and one in the shared map, in each short life. */
static void pair(void)
{
	syscall(SYS_sched_get_priority_min, 0);
	syscall(UNKNOWN);
}

/* pairs N: N of them, each in a program of its own. */
static void pairs(char *program, int left)
{
	char text[16];

	pair();
	if (left <= 1)
		_exit(0);
	snprintf(text, sizeof(text), "%d", left - 1);
	execl(program, program, "pairs", text, NULL);
	_exit(93);
}

/* churn: until it may go, forks children that exec 4 times and end. */
static int churn(char *program)
{
	while (!must_go()) {
		if (!child())
			pairs(program, 4);
		wait_all();
	}
	return 0;
}

/* busy THREADS: leaves a process behind with threads that have called and go on without calls, and churn. */
static int busy(char *program, int threads)
{
	done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 2; i++)
		if (!child())
			_exit(churn(program));
	if (!child()) {
		pthread_t thread;

		for (int i = 0; i < threads; i++)
			start(&thread, count_then_spin, NULL);
		wait_for_go();
		_exit(0);
	}
	while (atomic_load(done) < threads)
		usleep(10000);
	usleep(200000);
	return 0;
}

static void stay(const char *who)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %d\n", who, getpid());
	say("pids", text);
	for (;;)
		pause();
}

/* stubborn: a tree that SIGTERM does not end. */
static int stubborn(void)
{
	pid_t pid;

	signal(SIGTERM, SIG_IGN);
	if (!child())
		stay("child");
	if (!child()) {
		setsid();
		stay("session");
	}
	if (!child()) {
		setsid();
		if (!child())
			stay("daemon");
		_exit(0);
	}
	pid = child();
	if (!pid) {
		char text[64];

		snprintf(text, sizeof(text), "stopped %d\n", getpid());
		say("pids", text);
		raise(SIGSTOP);
		stay("continued");
	}
	/* The last to say so says it of all. */
	waitpid(pid, NULL, WUNTRACED);
	stay("first");
	return 0;
}

/* daemon: a process that double-forks a daemon, which calls 5 times once it may go. */
static int daemonize(void)
{
	if (!child()) {
		setsid();
		if (!child()) {
			wait_for_go();
			rare(5);
			say("daemon-ended", "ended\n");
			_exit(0);
		}
		_exit(0);
	}
	wait_all();
	rare(2);
	return 0;
}

/* into PATH: a child born into that cgroup (clone3, CLONE_INTO_CGROUP) makes 4 rare calls. */
static int into(const char *path)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
			set_tid_size, cgroup;
	} arguments = {.flags = 0x200000000ULL, .exit_signal = SIGCHLD};
	int status;
	long pid;

	arguments.cgroup = open(path, O_RDONLY | O_DIRECTORY);
	rare(100);
	pid = syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (pid == 0) {
		rare(4);
		_exit(0);
	}
	if (pid < 0)
		return errno == ENOSYS || errno == EINVAL ? 77 : 94;
	waitpid(pid, &status, 0);
	rare(100);
	return status;
}

/* forks N: so many children, one after the other. */
static int forks(int count)
{
	for (int i = 0; i < count; i++) {
		pid_t pid = child();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return 0;
}

/* raw: has the terminal in raw mode until a key is pressed, as an editor. */
static int raw_terminal(void)
{
	struct termios before, raw;
	char key;

	if (tcgetattr(0, &before))
		return 95;
	raw = before;
	cfmakeraw(&raw);
	tcsetattr(0, TCSANOW, &raw);
	if (write(1, "EDIT", 4) != 4 || read(0, &key, 1) != 1)
		return 96;
	tcsetattr(0, TCSANOW, &before);
	return 0;
}

/* namespaces: 3 rare calls in a fresh PID namespace (clone) and 4 in another (unshare). */
static int namespaces(void)
{
	pid_t pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);

	if (!pid) {
		rare(3);
		_exit(0);
	}
	if (pid < 0 || unshare(CLONE_NEWPID))
		return 97;
	if (!child()) {
		rare(4);
		_exit(0);
	}
	wait_all();
	return 0;
}

/* traced: a process that does not hear SIGTERM has another stopped that it traces, for ever. */
static int traced(void)
{
	char text[64];
	pid_t pid;

	signal(SIGTERM, SIG_IGN);
	pid = child();
	if (!pid) {
		snprintf(text, sizeof(text), "traced %d\n", getpid());
		say("pids", text);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	snprintf(text, sizeof(text), "tracer %d\n", getpid());
	say("pids", text);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int number = argc > 2 ? atoi(argv[2]) : 0;

	if (!strcmp(mode, "rare")) {
		rare(number);
		return 0;
	}
	if (!strcmp(mode, "wait-rare")) {
		wait_for_go();
		rare(number);
		return 0;
	}
	if (!strcmp(mode, "tree"))
		return tree(number, atoi(argv[3]));
	if (!strcmp(mode, "breed"))
		return breeder(argv[0]);
	if (!strcmp(mode, "pairs"))
		pairs(argv[0], number);
	if (!strcmp(mode, "churn"))
		return churn(argv[0]);
	if (!strcmp(mode, "busy"))
		return busy(argv[0], number);
	if (!strcmp(mode, "stubborn"))
		return stubborn();
	if (!strcmp(mode, "traced"))
		return traced();
	if (!strcmp(mode, "daemon"))
		return daemonize();
	if (!strcmp(mode, "into"))
		return into(argv[2]);
	if (!strcmp(mode, "forks"))
		return forks(number);
	if (!strcmp(mode, "raw"))
		return raw_terminal();
	if (!strcmp(mode, "namespaces"))
		return namespaces();
	return 98;
}
