// A program that finds out whether it is traced: under a recorder that disturbs nothing, it is not.
// strace: no (under it the answer is the other one)
// expect: execve 1
// expect: ptrace 1
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	return sys(__NR_ptrace, 0 /* TRACEME */) == 0 ? 0 : 1;
}
