// A process that makes a child every millisecond. Each waits for the end of its input, then makes one call.
// The recording begins in the middle: no child may be missed, whether it came before, after, or at once.
// n: 2000 0
// strace: no (the table begins where the recording does, when the program runs already)
// expect: getuid n
// expect: wait4 n
// expect: exit_group n+1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	long n = number(argv[1]), failed = 0;
	char byte;

	(void)argc, (void)envp;
	for (long i = 0; i < n; i++) {
		long child = fork_process();

		if (child == 0) {
			sys(__NR_read, 0, &byte, 1);
			sys(__NR_getuid);
			return 0;
		}
		failed |= child < 0;
		milliseconds(1);
	}
	sys(__NR_write, 1, "all", 3);
	sys(__NR_read, 0, &byte, 1);
	for (long i = 0; i < n; i++)
		failed |= wait_child(-1) != 0;
	return failed != 0;
}
