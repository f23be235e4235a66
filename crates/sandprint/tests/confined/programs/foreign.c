/* getppid through another ABI of the machine: ends with 0 if it ran, and else with its errno. */
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	long result = -22;

	(void)argc, (void)argv, (void)envp;
#if defined(__x86_64__)
	if (argc > 1 && same(argv[1], "i386"))
		result = int80(64, 0, 0, 0);
	if (argc > 1 && same(argv[1], "x32"))
		result = sys(__NR_getppid | 0x40000000);
#endif
	return result < 0 ? (int)-result : 0;
}
