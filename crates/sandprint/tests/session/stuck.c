// A file system of one program, `p`, which it reads from a file: `stuck PROGRAM FOLDER`. It serves who executes that,
// and never answers who opens it a second time, but says on its output that it holds one. Needs the right to mount.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int fuse;

static void answer(unsigned long long unique, int error, const void *data, size_t length)
{
	static char out[1 << 17];
	struct fuse_out_header head = { sizeof(head) + length, error, unique };

	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), data, length);
	if (write(fuse, out, sizeof(head) + length) < 0)
		perror("answer");
}

static struct fuse_attr attributes(unsigned long long node, off_t size)
{
	struct fuse_attr attr = { .ino = node, .size = size, .nlink = 1 };

	attr.mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0755;
	return attr;
}

int main(int argc, char **argv)
{
	static char in[1 << 17];
	char options[128];
	int program, opened = 0;
	struct stat status;

	if (argc != 3 || (program = open(argv[1], O_RDONLY)) < 0 || fstat(program, &status) < 0)
		return 1;
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse);
	if (fuse < 0 || mount("stuck", argv[2], "fuse", MS_NODEV, options) < 0)
		return 77;
	puts("mounted");
	fflush(stdout);
	for (;;) {
		ssize_t length = read(fuse, in, sizeof(in));
		struct fuse_in_header *head = (void *)in;
		void *body = in + sizeof(*head);

		if (length < (ssize_t)sizeof(*head))
			return 0;
		switch (head->opcode) {
		case FUSE_INIT: {
			struct fuse_init_out out = { .major = 7, .minor = 31, .max_write = 4096, .max_readahead = 65536 };
			answer(head->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_LOOKUP: {
			struct fuse_entry_out out = { .nodeid = 2, .attr_valid = 1000, .entry_valid = 1000 };
			out.attr = attributes(2, status.st_size);
			if (strcmp(body, "p"))
				answer(head->unique, -2, "", 0);
			else
				answer(head->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_GETATTR: {
			struct fuse_attr_out out = { .attr_valid = 1000 };
			out.attr = attributes(head->nodeid, status.st_size);
			answer(head->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_OPEN: {
			struct fuse_open_out out = { .fh = 1, .open_flags = FOPEN_KEEP_CACHE };
			if (opened++) {
				puts("held");
				fflush(stdout);
				for (;;)
					pause();
			}
			answer(head->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_READ: {
			struct fuse_read_in *wanted = body;
			static char data[1 << 16];
			size_t size = wanted->size < sizeof(data) ? wanted->size : sizeof(data);
			ssize_t got = pread(program, data, size, wanted->offset);
			answer(head->unique, 0, data, got < 0 ? 0 : got);
			break;
		}
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			answer(head->unique, -38, "", 0);
		}
	}
}
