/* Makes a few calls, each logged by a seccomp filter, under a name that needs escaping. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct sock_filter log_all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_LOG)};
	struct sock_fprog program = {1, log_all};
	long number = 64; /* getppid of i386 */

	prctl(PR_SET_NAME, "a \"arch=0");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	syscall(SYS_getppid);
	syscall(SYS_getppid);
	syscall(0x40000000 | SYS_getpid);
	syscall(0x40000000 | 999);
	syscall(1000);
	syscall(-1);
	__asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
	return 0;
}
