// Calls whose numbers no table knows are calls too.
// The counts differ, so that two of them cannot be confused; 511, 512 and 1024 are where tables end.
// arch: x86_64
// expect: execve 1
// expect: nr=511 1
// expect: nr=512 2
// expect: nr=999 3
// expect: nr=1000 4
// expect: nr=1023 5
// expect: nr=1024 6
// expect: nr=9999 7
// expect: nr=65536 8
// expect: nr=1073741823 9
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	static const long numbers[] = { 511, 512, 999, 1000, 1023, 1024, 9999, 65536, 0x3fffffff };

	(void)argc, (void)argv, (void)envp;
	for (int i = 0; i < 9; i++)
		repeat(i + 1, numbers[i]);
	return 0;
}
