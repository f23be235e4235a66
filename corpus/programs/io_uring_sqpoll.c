// Operations that a kernel thread takes from the queue: no call is made for them at all.
// strace: no (with strace 6.1 on a 6.18 kernel the submission thread of a traced process takes nothing)
// needs: io_uring
// gap: io-uring-operations
// expect: execve 1
// expect: io_uring_setup 1
// expect: mmap 2
// expect: io_uring_register 1
// expect: exit_group 1
#include "ring.h"

int witness(int argc, char **argv, char **envp)
{
	/* The thread sleeps at once when it finds nothing, so it is let loose on a full queue. */
	struct io_uring_params params = {
		.flags = IORING_SETUP_SQPOLL | IORING_SETUP_R_DISABLED,
		.sq_thread_idle = 10000,
	};
	struct ring ring;

	(void)argc, (void)argv, (void)envp;
	if (open_ring(&ring, &params) != 0)
		cannot("this kernel refuses io_uring with a submission thread");
	for (unsigned int i = 1; i <= 5; i++)
		queue_nop(&ring);
	sys(__NR_io_uring_register, ring.fd, IORING_REGISTER_ENABLE_RINGS, 0, 0);
	while (__atomic_load_n(ring.completed, __ATOMIC_ACQUIRE) != 5)
		;
	return 0;
}
