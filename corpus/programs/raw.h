/*
 * What a witness is made of: a start routine and raw system calls, with no C library between.
 *
 * A program that includes this file makes the calls that are written in it and no others:
 * execve (made for it), then its own, then exit_group with what witness() returns.
 * x86_64, aarch64 and (without threads) i386.
 */
#ifndef RAW_H
#define RAW_H

#include <asm/unistd.h>
#include <linux/sched.h>
#include <linux/time_types.h>

/* The program. What it returns is its exit status. */
int witness(int argc, char **argv, char **envp);

/* The status of a witness that found that this machine cannot show what it is about. */
#define CANNOT 77

#define RAW_SIGKILL 9
#define RAW_SIGUSR1 10
#define RAW_SIGCHLD 17
#define RAW_SIGCONT 18
#define RAW_SIGSTOP 19
#define RAW_AT_FDCWD (-100)
#define RAW_WUNTRACED 2
#define RAW_WALL 0x40000000

/* ---- calls ------------------------------------------------------------------------------------ */

/* sys(nr, up to six arguments): the kernel's own return value, so -errno when it fails. */
#define sys(...) sys_pad(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define sys_pad(nr, a, b, c, d, e, f, ...)                                                              \
	sys6((long)(nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#if defined(__x86_64__)

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* A call through the 32-bit entry, from a 64-bit process. Pointers must lie below 4 GiB. */
static inline long int80(long nr, long a, long b, long c)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "r8", "r9", "r10", "r11", "memory");
	return result;
}

#elif defined(__i386__)

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	long result;
	struct {
		long number, sixth;
	} in = { nr, f };

	/* All general registers but esp are arguments: the sixth goes through the stack. */
	__asm__ volatile("pushl %%ebp\n\t"
			 "movl 4(%%eax), %%ebp\n\t"
			 "movl (%%eax), %%eax\n\t"
			 "int $0x80\n\t"
			 "popl %%ebp"
			 : "=a"(result)
			 : "a"(&in), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), "m"(in)
			 : "memory");
	return result;
}

#elif defined(__aarch64__)

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#else
#error "no system call instruction known for this machine"
#endif

/* ---- start ------------------------------------------------------------------------------------ */

#if defined(__x86_64__)
__asm__(".globl _start\n"
	"_start:\n\t"
	"xorl %ebp, %ebp\n\t"
	"movq %rsp, %rdi\n\t"
	"andq $-16, %rsp\n\t"
	"call raw_start\n\t"
	"hlt\n");
#elif defined(__i386__)
__asm__(".globl _start\n"
	"_start:\n\t"
	"xorl %ebp, %ebp\n\t"
	"movl %esp, %eax\n\t"
	"andl $-16, %esp\n\t"
	"subl $12, %esp\n\t"
	"pushl %eax\n\t"
	"call raw_start\n\t"
	"hlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n"
	"_start:\n\t"
	"mov x29, xzr\n\t"
	"mov x0, sp\n\t"
	"bl raw_start\n\t"
	"brk #0\n");
#endif

__attribute__((used, noreturn)) static void raw_start(long *stack)
{
	char **argv = (char **)(stack + 1);
	int status = witness((int)stack[0], argv, argv + stack[0] + 1);

	for (;;)
		sys(__NR_exit_group, status);
}

/* The compiler may ask for this one even where no C library is. */
__attribute__((used)) static void *memset(void *area, int value, unsigned long size)
{
	volatile char *bytes = area;

	while (size--)
		bytes[size] = (char)value;
	return area;
}

/* ---- small words ------------------------------------------------------------------------------ */

__attribute__((unused)) static unsigned long length(const char *text)
{
	unsigned long size = 0;

	while (text[size])
		size++;
	return size;
}

__attribute__((unused)) static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

__attribute__((unused)) static long number(const char *text)
{
	long value = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (*text - '0');
	return value;
}

/* One call, made `times` times. */
__attribute__((unused)) static void repeat(long times, long nr)
{
	while (times-- > 0)
		sys(nr);
}

/* Ends the process. One exit_group. */
__attribute__((unused, noreturn)) static void finish(int status)
{
	for (;;)
		sys(__NR_exit_group, status);
}

/* Ends the process: this machine cannot show what the witness is about. The reason goes to stdout. */
__attribute__((unused, noreturn)) static void cannot(const char *reason)
{
	sys(__NR_write, 1, reason, length(reason));
	finish(CANNOT);
}

/* Sleeps. One nanosleep. */
__attribute__((unused)) static void milliseconds(long ms)
{
	struct {
		long seconds, nanoseconds;
	} time = { ms / 1000, ms % 1000 * 1000000 };

	sys(__NR_nanosleep, &time, 0);
}

/* Starts a process that returns twice, as fork does. One clone. */
static inline long fork_process(void)
{
	return sys(__NR_clone, RAW_SIGCHLD);
}

/* Waits for one child; its wait status. One wait4. */
__attribute__((unused)) static int wait_child(long pid)
{
	int status = -1;

	sys(__NR_wait4, pid, &status, RAW_WALL, 0);
	return status;
}

/*
 * Blocks SIGCHLD. One rt_sigprocmask.
 *
 * A SIGCHLD that is ignored by default is never sent, so that it interrupts nothing; under a tracer it is
 * sent all the same, and a wait that it interrupts is made once more. Where a wait may see the signal of
 * another child, this keeps its count the same in both.
 */
__attribute__((unused)) static void block_sigchld(void)
{
	long set[2] = { 1L << (RAW_SIGCHLD - 1), 0 };

	sys(__NR_rt_sigprocmask, 0 /* block */, set, 0, 8);
}

/* Waits in user space until a word has a value. No call. */
__attribute__((unused)) static void spin_until(volatile int *word, int value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		;
}

__attribute__((unused)) static void set_word(volatile int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

__attribute__((unused)) static void add_one(volatile int *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_ACQ_REL);
}

/* Runs on in user space until something ends it. No call. */
__attribute__((unused, noreturn)) static void spin_forever(void)
{
	for (;;)
		;
}

/* ---- threads ---------------------------------------------------------------------------------- */

#if !defined(__i386__)

typedef void (*routine)(void *argument);

/*
 * clone() with a stack of its own; the new task calls fn(argument), which must not return.
 * What the kernel returned, in the caller. One clone.
 */
long raw_clone(unsigned long flags, void *stack_top, volatile int *parent_tid, volatile int *child_tid, long tls,
	       routine fn, void *argument);

/* clone3() the same way. args->stack may be 0 where memory is not shared. One clone3. */
long raw_clone3(struct clone_args *args, unsigned long size, routine fn, void *argument);

#if defined(__x86_64__)
__asm__(".globl raw_clone\n"
	"raw_clone:\n\t"
	"movq 8(%rsp), %rax\n\t"
	"subq $16, %rsi\n\t"
	"movq %r9, (%rsi)\n\t"
	"movq %rax, 8(%rsi)\n\t"
	"movq %rcx, %r10\n\t"
	"movl $56, %eax\n\t"
	"syscall\n\t"
	"testq %rax, %rax\n\t"
	"jnz 1f\n\t"
	"xorl %ebp, %ebp\n\t"
	"popq %rax\n\t"
	"popq %rdi\n\t"
	"call *%rax\n\t"
	"hlt\n"
	"1:\tret\n");
__asm__(".globl raw_clone3\n"
	"raw_clone3:\n\t"
	"movq %rdx, %r8\n\t"
	"movq %rcx, %r9\n\t"
	"movl $435, %eax\n\t"
	"syscall\n\t"
	"testq %rax, %rax\n\t"
	"jnz 1f\n\t"
	"xorl %ebp, %ebp\n\t"
	"movq %r9, %rdi\n\t"
	"andq $-16, %rsp\n\t"
	"call *%r8\n\t"
	"hlt\n"
	"1:\tret\n");
#elif defined(__aarch64__)
__asm__(".globl raw_clone\n"
	"raw_clone:\n\t"
	"stp x5, x6, [x1, #-16]!\n\t"
	"mov x7, x3\n\t"
	"mov x3, x4\n\t"
	"mov x4, x7\n\t"
	"mov x8, #220\n\t"
	"svc #0\n\t"
	"cbnz x0, 1f\n\t"
	"mov x29, xzr\n\t"
	"ldp x5, x0, [sp], #16\n\t"
	"blr x5\n\t"
	"brk #0\n"
	"1:\tret\n");
__asm__(".globl raw_clone3\n"
	"raw_clone3:\n\t"
	"mov x8, #435\n\t"
	"svc #0\n\t"
	"cbnz x0, 1f\n\t"
	"mov x29, xzr\n\t"
	"mov x0, x3\n\t"
	"blr x2\n\t"
	"brk #0\n"
	"1:\tret\n");
#endif

#define STACK_SIZE 16384

/* A stack, and a word that the kernel clears when the task that runs on it has ended. */
struct task {
	char stack[STACK_SIZE] __attribute__((aligned(16)));
	volatile int tid;
};

static inline void *stack_top(struct task *task)
{
	return task->stack + STACK_SIZE;
}

#define THREAD_FLAGS                                                                                    \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |             \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* Starts a thread. One clone. */
__attribute__((unused)) static long start_thread(struct task *task, routine fn, void *argument)
{
	return raw_clone(THREAD_FLAGS, stack_top(task), &task->tid, &task->tid, 0, fn, argument);
}

/* Waits in user space until a thread has given up its memory. No call. */
__attribute__((unused)) static void join_thread(struct task *task)
{
	spin_until(&task->tid, 0);
}

/* Ends this thread only. One exit. */
__attribute__((unused, noreturn)) static void exit_thread(void)
{
	for (;;)
		sys(__NR_exit, 0);
}

#endif /* !__i386__ */

#endif /* RAW_H */
