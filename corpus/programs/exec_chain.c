// One process runs four programs, one after the other: each call belongs to the program that made it.
// An execve belongs to the program that called it; the first one, which nobody in the tree called,
// to the program that it started.
// copy: a
// copy: b
// copy: c
// expect: execve 2
// expect: getppid 1
// image: a
// expect: execve 1
// expect: getppid 20
// image: b
// expect: execve 1
// expect: getppid 300
// image: c
// expect: getppid 4000
// expect: exit_group 1
#include "raw.h"

int witness(int argc, char **argv, char **envp)
{
	static const long counts[] = { 1, 20, 300, 4000 };
	static char *names[] = { "./a", "./b", "./c" };
	static char place[2];
	char *arguments[3];
	int me = argc > 1 ? argv[1][0] - '0' : 0;

	repeat(counts[me], __NR_getppid);
	if (me == 3)
		return 0;
	place[0] = (char)('1' + me);
	arguments[0] = names[me];
	arguments[1] = place;
	arguments[2] = 0;
	sys(__NR_execve, names[me], arguments, envp);
	return 1;
}
