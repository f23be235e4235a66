// SPDX-License-Identifier: Apache-2.0
// The smallest loader of empty programs: loads that for sys_enter of floor.bpf.o in the working directory,
// attaches it, runs a command and ends with it. With -x, the one for sys_exit as well. With -l, prints
// instead how many BPF programs are attached to tracepoints of this machine.
// Usage: floor [-x] COMMAND [ARGUMENT...] | floor -l
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

// libbpf explains failures in many lines; what failed is enough here.
static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

static int fail(const char *what)
{
	fprintf(stderr, "failed to %s: %s\n", what, strerror(errno));
	return 125;
}

// Those of perf and of old kinds of attachment have no link, and are not seen.
static int list(void)
{
	unsigned id = 0, attached = 0;

	while (bpf_link_get_next_id(id, &id) == 0) {
		struct bpf_link_info info = {};
		unsigned size = sizeof(info);
		int fd = bpf_link_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
			attached += info.type == BPF_LINK_TYPE_TRACING ||
				    info.type == BPF_LINK_TYPE_RAW_TRACEPOINT ||
				    info.type == BPF_LINK_TYPE_PERF_EVENT;
		close(fd);
	}
	if (errno != ENOENT)
		return fail("list the BPF links");
	printf("%u\n", attached);
	return 0;
}

int main(int argc, char **argv)
{
	int exits = argc > 1 && strcmp(argv[1], "-x") == 0;
	struct bpf_program *program;
	struct bpf_object *object;
	pid_t child;
	int status;

	argv += exits;
	argc -= exits;
	if (argc < 2) {
		fprintf(stderr, "usage: floor [-x] COMMAND [ARGUMENT...] | floor -l\n");
		return 2;
	}
	libbpf_set_print(quiet);
	if (strcmp(argv[1], "-l") == 0)
		return list();
	object = bpf_object__open_file("floor.bpf.o", NULL);
	if (!object)
		return fail("open floor.bpf.o");
	program = bpf_object__find_program_by_name(object, "handle__sys_exit");
	if (!program)
		return fail("find the empty program for sys_exit");
	bpf_program__set_autoload(program, exits);
	if (bpf_object__load(object) != 0)
		return fail("load the empty programs");
	program = NULL;
	while ((program = bpf_object__next_program(object, program)))
		if (bpf_program__autoload(program) && !bpf_program__attach(program))
			return fail("attach an empty program");
	child = fork();
	if (child == 0) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return fail("run the command");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
