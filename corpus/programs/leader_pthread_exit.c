// main() calls pthread_exit while a C library's threads still work: what pthreads make of it.
// libc: dynamic
// expect: as strace
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_t leader;

static void *worker(void *argument)
{
	pthread_join(leader, NULL);
	for (int i = 0; i < 500; i++)
		syscall(SYS_getppid);
	syscall(SYS_getpgid, 0);
	return argument;
}

int main(void)
{
	pthread_t thread;

	leader = pthread_self();
	pthread_create(&thread, NULL, worker, NULL);
	usleep(100000);
	pthread_exit(NULL);
}
