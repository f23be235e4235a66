/* Makes one call, which the policy decides: ends with its errno, or with 0 if it ran. */
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	long result = sys(__NR_getppid);

	(void)argc, (void)argv, (void)envp;
	return result < 0 ? (int)-result : 0;
}
