/* Asks for more files than anybody keeps in mind, none of which is there: by many threads, or one after the other. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 64
#define FORKS 20000

static long each;

static void *ask(void *number)
{
	char path[64];

	for (long i = 0; i < each; i++) {
		sprintf(path, "none-%ld-%ld", (long)(intptr_t)number, i);
		if (access(path, F_OK) != -1 || errno != ENOENT)
			exit(1);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc != 3)
		return 1;
	each = atol(argv[2]);
	if (!strcmp(argv[1], "one")) {
		ask(NULL);
		return 0;
	}
	for (intptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, ask, (void *)i))
			return 1;
	for (int i = 0; i < THREADS; i++)
		if (pthread_join(threads[i], NULL))
			return 1;
	for (int i = 0; i < FORKS; i++) {
		pid_t child = vfork();

		if (!child)
			_exit(0);
		if (waitpid(child, NULL, 0) != child)
			return 1;
	}
	return 0;
}
