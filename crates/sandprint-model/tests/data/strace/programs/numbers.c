/* Calls through every way that x86 has, and numbers that have no name. */
#define _GNU_SOURCE
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	close(socket(AF_UNIX, SOCK_STREAM, 0));
	shmget(IPC_PRIVATE, 4096, 0);
	syscall(1000, 1, 2);
	syscall(-1);
#ifdef __x86_64__
	syscall(0x40000000 | SYS_getpid);
	syscall(0x40000000 | 999);
	/* getppid of i386 */
	long number = 64;
	__asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
#endif
	return 0;
}
