// The call number -1: what a tracer writes to skip a call, and what any program may ask for.
// It is no x32 call, though bit 30 is set: the kernel tells them apart.
// arch: x86_64
// expect: execve 1
// expect: nr=4294967295 3
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	repeat(3, -1);
	return 0;
}
