/* Starts threads and a child, as glibc does it: by clone3, and by clone where that is answered with ENOSYS. Says what
 * clone3 answers here to a question without arguments. */
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4 };

static void *work(void *argument)
{
	return argument;
}

int main(int count, char **words)
{
	if (count > 1)
		return 0; /* the child */
	syscall(SYS_clone3, NULL, 0);
	printf("clone3: %s\n", strerrorname_np(errno));

	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++) {
		int error = pthread_create(&threads[i], NULL, work, NULL);
		if (error != 0) {
			printf("pthread_create: %s\n", strerrorname_np(error));
			return 1;
		}
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);

	pid_t child;
	char *arguments[] = { words[0], "child", NULL }, *environment[] = { NULL };
	int status, error = posix_spawn(&child, words[0], NULL, NULL, arguments, environment);
	if (error != 0) {
		printf("posix_spawn: %s\n", strerrorname_np(error));
		return 1;
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		return 1;
	puts("all ran");
	return 0;
}
