// SPDX-License-Identifier: Apache-2.0
// Executes a command under a filter that a file holds as the kernel takes it, as an array of struct
// sock_filter, whoever made it.
// Usage: filtered FILE COMMAND [ARGUMENT...]
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "failed to %s: %m\n", what);
	return 125;
}

int main(int argc, char **argv)
{
	static struct sock_filter instructions[BPF_MAXINSNS];
	struct sock_fprog program = {.filter = instructions};
	FILE *file;

	if (argc < 3) {
		fprintf(stderr, "usage: filtered FILE COMMAND [ARGUMENT...]\n");
		return 2;
	}
	file = fopen(argv[1], "re");
	if (!file)
		return fail("open the filter");
	program.len = fread(instructions, sizeof(instructions[0]), BPF_MAXINSNS, file);
	if (ferror(file) || getc(file) != EOF)
		return fail("read all of the filter");
	fclose(file);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return fail("give up new privileges");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
		return fail("install the filter");
	execvp(argv[2], argv + 2);
	return fail("execute the command");
}
