// A supervisor in the tree answers a child's calls: some it lets run, for some it makes up the result.
// Only the first run. What a supervisor does with a listener is its own: here, one process for all.
// needs: notify
// gap: seccomp-installed
// expect: execve 1
// expect: clone 1
// expect: prctl 1
// expect: seccomp 1
// expect: ioctl 40
// expect: getuid 10
// expect: getppid 20
// expect: wait4 1
// expect: exit_group 2
// refused: getuid 10
#include "filter.h"

#define RECEIVE 0xc0502100UL
#define SEND 0xc0182101UL
#define CONTINUE 1

static struct task task;
static volatile int listener = -1;

static void child(void *argument)
{
	(void)argument;
	set_word(&listener, (int)install_filter(__NR_getuid, SECCOMP_RET_USER_NOTIF,
						SECCOMP_FILTER_FLAG_NEW_LISTENER));
	for (int i = 0; i < 20; i++) {
		sys(__NR_getuid);
		sys(__NR_getppid);
	}
	finish(0);
}

int witness(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	/* Shared memory and descriptors: the listener's number is ours too. */
	long pid = raw_clone(CLONE_VM | CLONE_FILES | RAW_SIGCHLD, stack_top(&task), 0, 0, 0, child, 0);

	while (__atomic_load_n(&listener, __ATOMIC_ACQUIRE) == -1)
		;
	if (listener < 0)
		cannot("this kernel gives no listener for a filter's notifications");
	for (int i = 0; i < 20; i++) {
		struct seccomp_notif request = { 0 };
		struct seccomp_notif_resp response = { 0 };

		if (sys(__NR_ioctl, listener, RECEIVE, &request) != 0)
			return 1;
		response.id = request.id;
		response.flags = i % 2 ? CONTINUE : 0;
		if (sys(__NR_ioctl, listener, SEND, &response) != 0)
			return 1;
	}
	return wait_child(pid) != 0;
}
