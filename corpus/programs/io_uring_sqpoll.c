// Operations that a kernel thread takes from the queue: one call wakes it, and then none is made.
// needs: io_uring
// gap: io-uring-operations
// expect: execve 1
// expect: io_uring_setup 1
// expect: mmap 2
// expect: io_uring_enter 1
// expect: exit_group 1
#include "ring.h"

int witness(int argc, char **argv, char **envp)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 10000 };
	struct ring ring;

	(void)argc, (void)argv, (void)envp;
	if (open_ring(&ring, &params) != 0)
		cannot("this kernel refuses io_uring with a submission thread");
	for (unsigned int i = 1; i <= 5; i++) {
		queue_nop(&ring);
		/* The thread may have gone to sleep at its start; later it waits for ten seconds first. */
		if (i == 1)
			sys(__NR_io_uring_enter, ring.fd, 1, 0, IORING_ENTER_SQ_WAKEUP, 0, 0);
		while (__atomic_load_n(ring.completed, __ATOMIC_ACQUIRE) != i)
			;
		__atomic_store_n(ring.seen, i, __ATOMIC_RELEASE);
	}
	return 0;
}
