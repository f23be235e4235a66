// A tracer in the tree writes another number over its tracee's call: the other call is what runs.
// arch: x86_64
// strace: no (a process has one tracer, and this one's is its parent)
// expect: execve 1
// expect: clone 1
// expect: ptrace 50
// expect: getpid 1
// expect: kill 1
// expect: getppid 5
// expect: getuid 5
// expect: wait4 23
// expect: exit_group 2
#include "raw.h"

#define TRACEME 0
#define PEEKUSER 3
#define POKEUSER 6
#define SYSCALL 24
#define ORIG_AX (15 * 8)

int witness(int argc, char **argv, char **envp)
{
	long child = fork_process();
	int changed = 0;

	(void)argc, (void)argv, (void)envp;
	if (child == 0) {
		sys(__NR_ptrace, TRACEME);
		sys(__NR_kill, sys(__NR_getpid), RAW_SIGSTOP);
		for (int i = 0; i < 5; i++) {
			sys(__NR_getgid);
			sys(__NR_getppid);
		}
		return 0;
	}
	while ((wait_child(child) & 127) != 0) {
		long nr = 0;

		sys(__NR_ptrace, PEEKUSER, child, ORIG_AX, &nr);
		if (nr == __NR_getgid) {
			sys(__NR_ptrace, POKEUSER, child, ORIG_AX, __NR_getuid);
			changed++;
		}
		sys(__NR_ptrace, SYSCALL, child, 0, 0);
	}
	return changed == 5 ? 0 : 1;
}
