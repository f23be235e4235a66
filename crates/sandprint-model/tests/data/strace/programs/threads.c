/* Two threads; the second one replaces the whole process by execve while the first one waits. */
#include <pthread.h>
#include <unistd.h>

static void *replace(void *nothing)
{
	char *const arguments[] = {"true", NULL};

	usleep(20000);
	execv("/bin/true", arguments);
	return nothing;
}

int main(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, replace, NULL);
	pause();
	return 1;
}
