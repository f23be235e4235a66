/* What the units of the test run: a service of each kind, as its first argument says. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static volatile sig_atomic_t reloads, ends;

static void on_reload(int signal)
{
	(void)signal;
	reloads = 1;
}

static void on_end(int signal)
{
	(void)signal;
	ends = 1;
}

static void tell_manager(const char *message)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length;
	int fd;

	if (!path)
		return;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	length = (socklen_t)(sizeof(sa_family_t) + strlen(address.sun_path));
	if (address.sun_path[0] == '@')
		address.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, message, strlen(message), MSG_NOSIGNAL, (void *)&address, length) < 0)
		exit(3);
	close(fd);
}

/* Waits for a signal; a reload reads the configuration anew, with a call that nothing else makes. */
static void serve(void)
{
	sigset_t none;
	char name[64];

	sigemptyset(&none);
	while (!ends) {
		sigsuspend(&none);
		if (reloads) {
			reloads = 0;
			tell_manager("RELOADING=1");
			if (readlink("/proc/self/exe", name, sizeof(name)) < 0)
				exit(4);
			tell_manager("READY=1");
		}
	}
	tell_manager("STOPPING=1");
}

/* One connection: sends back what comes. */
static void answer(int in, int out)
{
	char text[64];
	ssize_t count = read(in, text, sizeof(text));

	if (count > 0 && write(out, text, (size_t)count) != count)
		exit(5);
}

/* The other side of a connection: whether what is sent comes back. */
static int poke(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[8] = "";

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (void *)&address, sizeof(address)) || write(fd, "hello", 5) != 5)
		return 1;
	return read(fd, text, sizeof(text)) != 5 || strcmp(text, "hello") != 0;
}

static void serve_connections(void)
{
	while (!ends) {
		int fd = accept4(3, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0) {
			answer(fd, fd);
			close(fd);
		}
	}
}

static void *work(void *argument)
{
	return argument;
}

static void run_threads(void)
{
	for (int i = 0; i < 4; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, work, NULL) || pthread_join(thread, NULL))
			exit(6);
	}
}

/* The first process ends once the second is ready, whose number is in the file. */
static void go_behind(const char *file)
{
	FILE *out;
	pid_t pid = fork();

	if (pid < 0)
		exit(7);
	if (pid > 0) {
		out = fopen(file, "w");
		if (!out || fprintf(out, "%d\n", pid) < 0 || fclose(out))
			exit(8);
		_exit(0);
	}
	setsid();
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";
	struct sigaction reload = {.sa_handler = on_reload}, end = {.sa_handler = on_end};
	sigset_t both;

	if (!strcmp(kind, "once"))
		return mkdir(argv[2], 0755) != 0;
	if (!strcmp(kind, "poke"))
		return poke(argv[2]);
	if (!strcmp(kind, "connection")) {
		answer(0, 1);
		return 0;
	}
	sigemptyset(&both);
	sigaddset(&both, SIGHUP);
	sigaddset(&both, SIGTERM);
	sigaction(SIGHUP, &reload, NULL);
	sigaction(SIGTERM, &end, NULL);
	if (!strcmp(kind, "socket")) {
		serve_connections();
		return 0;
	}
	if (!strcmp(kind, "behind"))
		go_behind(argv[2]);
	if (!strcmp(kind, "threads"))
		run_threads();
	/* A signal that comes before it waits is not lost. */
	sigprocmask(SIG_BLOCK, &both, NULL);
	tell_manager("READY=1");
	serve();
	return 0;
}
