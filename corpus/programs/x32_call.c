// x32 calls from a 64-bit process: bit 30 of the number. Where the kernel has no x32, they fail,
// but they were made.
// arch: x86_64
// expect: execve 1
// expect: getpid 5
// expect: x32 getpid 7
// expect: x32 nr=512 2
// expect: x32 nr=9999 1
// expect: exit_group 1
#include "raw.h"

#define X32 0x40000000

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	repeat(5, __NR_getpid);
	repeat(7, X32 | __NR_getpid);
	repeat(2, X32 | 512);
	repeat(1, X32 | 9999);
	return 0;
}
