// SPDX-License-Identifier: Apache-2.0
// What libseccomp makes of the same policy: writes its filter to a file. policy.h is what `profile generate
// --format seccomp-h` says of it. OPTIMIZE is the value of SCMP_FLTATR_CTL_OPTIMIZE (seccomp_attr_set(3)): 1
// is what libseccomp does by itself, 2 a binary tree.
// Usage: libseccomp OPTIMIZE FILE
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "policy.h"

static int fail(const char *what, int error)
{
	fprintf(stderr, "failed to %s: %s\n", what, strerror(error));
	return 1;
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter;
	int result, fd;

	if (argc != 3) {
		fprintf(stderr, "usage: libseccomp OPTIMIZE FILE\n");
		return 2;
	}
	result = sandprint_build_filter(&filter);
	if (result < 0)
		return fail("build the filter", -result);
	result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, atoi(argv[1]));
	if (result < 0)
		return fail("ask for that optimization", -result);
	fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail("create the file", errno);
	result = seccomp_export_bpf(filter, fd);
	if (result < 0)
		return fail("export the filter", -result);
	seccomp_release(filter);
	return 0;
}
