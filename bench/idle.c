// SPDX-License-Identifier: Apache-2.0
// Something to track that makes no calls: says that it runs, then waits until its standard input ends.
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	char byte;

	// Whatever becomes of the recorder around it, this ends.
	alarm(300);
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
