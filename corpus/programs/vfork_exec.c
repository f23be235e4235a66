// vfork, then exec or exit, many times: the child runs in its parent's memory until then.
// arch: x86_64
// n: 50 50
// copy: child
// expect: execve n+1
// expect: vfork 2n
// expect: getuid n
// expect: exit n
// expect: wait4 2n
// expect: exit_group 1
// image: child
// expect: getppid 3n
// expect: exit_group n
#include "raw.h"

/* vfork, and fn(argument) in the child, below the parent's frame on the same stack. One vfork. */
long vfork_call(routine fn, void *argument);
__asm__("vfork_call:\n\t"
	"movq %rdi, %r8\n\t"
	"movq %rsi, %r9\n\t"
	"movl $58, %eax\n\t"
	"syscall\n\t"
	"testq %rax, %rax\n\t"
	"jnz 1f\n\t"
	"movq %r9, %rdi\n\t"
	"call *%r8\n\t"
	"hlt\n"
	"1:\tret\n");

static void execute(void *envp)
{
	char *arguments[] = { "./child", "0", "child", 0 };

	sys(__NR_execve, arguments[0], arguments, envp);
	finish(1);
}

static void leave(void *envp)
{
	(void)envp;
	sys(__NR_getuid);
	exit_thread();
}

int witness(int argc, char **argv, char **envp)
{
	if (argc > 2) {
		repeat(3, __NR_getppid);
		return 0;
	}
	for (long i = number(argv[1]); i > 0; i--) {
		if (wait_child(vfork_call(execute, envp)) != 0)
			return 1;
		wait_child(vfork_call(leave, envp));
	}
	return 0;
}
