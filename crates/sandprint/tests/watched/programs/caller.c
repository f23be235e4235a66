/*
 * Makes calls that nothing else makes, each as often as the argument says, in ways that survive whatever a filter does
 * with them. One call for each action:
 *
 *   sched_get_priority_max   allow          sched_get_priority_min   log
 *   sched_getparam           errno          sched_getscheduler       trap
 *   getcpu                   kill-thread    sched_rr_get_interval    kill-process
 *   get_robust_list          trace          personality              notify
 *
 * "caller COUNT" makes all of them. "caller supervised COUNT" confines a child by itself, so that getcpu asks a
 * supervisor, which answers 7, and personality too, which it refuses with EACCES. "caller traced COUNT" has
 * get_robust_list ask a tracer, which answers 9, and makes getcpu under PTRACE_SYSEMU, which answers 11; then
 * exit_group, which is left out the first time.
 * "caller agent SOCKET" is the supervisor of a container whose runtime hands it the listener there.
 * "caller quiet" makes none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t trapped;

static void on_sigsys(int signal)
{
	(void)signal;
	trapped++;
}

static void *make_getcpu(void *unused)
{
	syscall(SYS_getcpu, 0, 0, 0);
	return unused;
}

static void in_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, 0, make_getcpu, 0) == 0)
		pthread_join(thread, 0);
}

static void in_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		syscall(SYS_sched_rr_get_interval, 0, 0);
		_exit(0);
	}
	waitpid(child, 0, 0);
}

static int all(int count)
{
	struct rlimit no_core = { 0, 0 };
	struct sigaction action = { .sa_handler = on_sigsys };

	setrlimit(RLIMIT_CORE, &no_core);
	sigaction(SIGSYS, &action, 0);
	for (int i = 0; i < count; i++) {
		syscall(SYS_sched_get_priority_max, 0);
		syscall(SYS_sched_get_priority_min, 0);
		syscall(SYS_sched_getparam, 0x1234, 0);
		syscall(SYS_sched_getscheduler, 0x1234);
		syscall(SYS_get_robust_list, 0x1234, 0, 0);
		syscall(SYS_personality, 0xffffffff);
		in_thread();
		in_child();
	}
	return 0;
}

static int install(unsigned int first, unsigned int first_action, unsigned int second, unsigned int second_action,
		   unsigned int flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, first, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, first_action),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, second, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, second_action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* The filter is on the thread that supervises, too: it makes neither call. */
static void *supervise(void *listener)
{
	struct seccomp_notif asked;
	struct seccomp_notif_resp answer;
	int fd = *(int *)listener;

	for (;;) {
		memset(&asked, 0, sizeof(asked));
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			return 0;
		}
		memset(&answer, 0, sizeof(answer));
		answer.id = asked.id;
		if (asked.data.nr == SYS_getcpu)
			answer.val = 7;
		else
			answer.error = -EACCES;
		ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

static int supervised(int count)
{
	pthread_t thread;
	int wrong = 0;
	int listener = install(SYS_getcpu, SECCOMP_RET_USER_NOTIF, SYS_personality, SECCOMP_RET_USER_NOTIF,
			       SECCOMP_FILTER_FLAG_NEW_LISTENER);

	if (listener < 0 || pthread_create(&thread, 0, supervise, &listener))
		return 98;
	for (int i = 0; i < count; i++) {
		wrong += syscall(SYS_getcpu, 0, 0, 0) != 7;
		wrong += syscall(SYS_personality, 0xffffffff) != -1 || errno != EACCES;
	}
	return wrong;
}

/* The descriptor that comes with a message; the message is the container's state. */
static int received(int connection)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char state[4096];
	struct iovec into = { state, sizeof(state) };
	struct msghdr message = { .msg_iov = &into,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *first;
	int fd = -1;

	if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC) < 0)
		return -1;
	first = CMSG_FIRSTHDR(&message);
	if (first && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(first), sizeof(fd));
	return fd;
}

static int agent(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener, from = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(at.sun_path, path, sizeof(at.sun_path) - 1);
	if (from < 0 || bind(from, (struct sockaddr *)&at, sizeof(at)) || listen(from, 1))
		return 94;
	listener = received(accept(from, 0, 0));
	if (listener < 0)
		return 93;
	supervise(&listener);
	return 0;
}

#if defined(__x86_64__)
/* Sets what the stopped call returns; a negative number of the call has it not be made. */
static void set_result(pid_t child, long result, int skip)
{
	struct user_regs_struct registers;

	ptrace(PTRACE_GETREGS, child, 0, &registers);
	registers.rax = result;
	if (skip)
		registers.orig_rax = -1;
	ptrace(PTRACE_SETREGS, child, 0, &registers);
}

static long number_of(pid_t child)
{
	struct user_regs_struct registers;

	ptrace(PTRACE_GETREGS, child, 0, &registers);
	return registers.orig_rax;
}

static void stop(pid_t self)
{
	syscall(SYS_kill, self, SIGSTOP);
}

static int traced(int count)
{
	int status, wrong = 0;
	pid_t child = fork();

	if (child == 0) {
		pid_t self = getpid();

		ptrace(PTRACE_TRACEME, 0, 0, 0);
		if (install(SYS_get_robust_list, SECCOMP_RET_TRACE | 7, SYS_personality, SECCOMP_RET_ALLOW, 0))
			_exit(97);
		stop(self);
		for (int i = 0; i < count; i++)
			wrong += syscall(SYS_get_robust_list, 0x1234, 0, 0) != 9;
		stop(self);
		for (int i = 0; i < count; i++)
			wrong += syscall(SYS_getcpu, 0, 0, 0) != 11;
		for (;;)
			syscall(SYS_exit_group, wrong);
	}
	waitpid(child, &status, 0);
	ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL);
	ptrace(PTRACE_CONT, child, 0, 0);
	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) {
		set_result(child, 9, 1);
		ptrace(PTRACE_CONT, child, 0, 0);
	}
	/* From its second stop on no call of it is made. */
	ptrace(PTRACE_SYSEMU, child, 0, 0);
	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		int ends = number_of(child) != SYS_getcpu;

		if (!ends)
			set_result(child, 11, 0);
		ptrace(ends ? PTRACE_CONT : PTRACE_SYSEMU, child, 0, 0);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 96;
}
#else
static int traced(int count)
{
	(void)count;
	return 95;
}
#endif

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	int count = argc > 2 ? atoi(argv[2]) : atoi(how);

	if (!strcmp(how, "quiet"))
		return 0;
	if (!strcmp(how, "agent") && argc > 2)
		return agent(argv[2]);
	if (!strcmp(how, "supervised"))
		return supervised(count);
	if (!strcmp(how, "traced"))
		return traced(count);
	return all(count);
}
