// A program asks whether there is an io_uring, and submits nothing.
// needs: io_uring
// gap: io-uring-probe
// expect: execve 1
// expect: io_uring_setup 1
// expect: close 1
// expect: getppid 10
// expect: exit_group 1
#include "ring.h"

int witness(int argc, char **argv, char **envp)
{
	struct io_uring_params params = { 0 };
	long fd = sys(__NR_io_uring_setup, 8, &params);

	(void)argc, (void)argv, (void)envp;
	if (fd < 0)
		cannot("this kernel refuses io_uring");
	sys(__NR_close, fd);
	repeat(10, __NR_getppid);
	return 0;
}
