// Operations through io_uring: the calls that set it up are seen, and that operations ran is a gap.
// needs: io_uring
// gap: io-uring-operations
// expect: execve 1
// expect: io_uring_setup 1
// expect: mmap 2
// expect: io_uring_enter 5
// expect: exit_group 1
#include "ring.h"

int witness(int argc, char **argv, char **envp)
{
	struct io_uring_params params = { 0 };
	struct ring ring;

	(void)argc, (void)argv, (void)envp;
	if (open_ring(&ring, &params) != 0)
		cannot("this kernel refuses io_uring");
	for (int i = 0; i < 5; i++) {
		queue_nop(&ring);
		if (sys(__NR_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) != 1)
			return 1;
		__atomic_store_n(ring.seen, i + 1, __ATOMIC_RELEASE);
	}
	return 0;
}
