/*
 * One operation through io_uring, in place of the call of the same purpose: ends with its errno, or with 0.
 *
 *   through_uring mkdir|unlink|rmdir|create|truncate PATH
 *   through_uring rename|link|symlink PATH PATH
 *   through_uring connect|bind PORT       (on 127.0.0.1)
 */
#include <linux/in.h>
#include "ring.h"

/* Newer than the headers of Debian 12 (linux/io_uring.h of Linux 6.11). */
#define OP_BIND 56

static struct io_uring_sqe *slot(struct ring *ring)
{
	return &ring->entries[*ring->tail & *ring->mask];
}

/* Submits what was put into the slot, and waits for its result. */
static int submit(struct ring *ring, struct io_uring_params *params, char *rings)
{
	unsigned int tail = *ring->tail, head = *ring->seen;
	struct io_uring_cqe *results = (void *)(rings + params->cq_off.cqes);
	int result;

	ring->array[tail & *ring->mask] = tail & *ring->mask;
	__atomic_store_n(ring->tail, tail + 1, __ATOMIC_RELEASE);
	if (sys(__NR_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) != 1)
		finish(99);
	result = results[head & *(unsigned int *)(rings + params->cq_off.ring_mask)].res;
	__atomic_store_n(ring->seen, head + 1, __ATOMIC_RELEASE);
	return result;
}

int witness(int argc, char **argv, char **envp)
{
	struct io_uring_params params = { 0 };
	struct io_uring_sqe *entry;
	struct ring ring;
	const char *what = argc > 2 ? argv[1] : "";
	char *rings;
	int result;

	(void)envp;
	if (open_ring(&ring, &params) != 0)
		cannot("this kernel refuses io_uring");
	rings = (char *)ring.tail - params.sq_off.tail;
	entry = slot(&ring);
	*entry = (struct io_uring_sqe){ .fd = RAW_AT_FDCWD, .addr = (unsigned long)argv[2] };
	if (same(what, "mkdir")) {
		entry->opcode = IORING_OP_MKDIRAT;
		entry->len = 0755;
	} else if (same(what, "unlink")) {
		entry->opcode = IORING_OP_UNLINKAT;
	} else if (same(what, "rmdir")) {
		entry->opcode = IORING_OP_UNLINKAT;
		entry->unlink_flags = 0x200 /* AT_REMOVEDIR */;
	} else if (same(what, "create")) {
		entry->opcode = IORING_OP_OPENAT;
		entry->open_flags = 01 | 0100 /* O_WRONLY, O_CREAT */;
		entry->len = 0644;
	} else if (same(what, "truncate")) {
		entry->opcode = IORING_OP_OPENAT;
		entry->open_flags = 01 | 01000 /* O_WRONLY, O_TRUNC */;
	} else if (same(what, "rename") || same(what, "link")) {
		entry->opcode = same(what, "link") ? IORING_OP_LINKAT : IORING_OP_RENAMEAT;
		entry->len = (unsigned int)RAW_AT_FDCWD;
		entry->off = (unsigned long)argv[3];
	} else if (same(what, "symlink")) {
		entry->opcode = IORING_OP_SYMLINKAT;
		entry->off = (unsigned long)argv[3];
	} else {
		unsigned short port = (unsigned short)number(argv[2]);
		struct sockaddr_in address = { .sin_family = 2, .sin_port = (port >> 8 | port << 8) & 0xffff };

		address.sin_addr.s_addr = 0x0100007f;
		*entry = (struct io_uring_sqe){ .opcode = IORING_OP_SOCKET, .fd = 2, .off = 1 };
		result = submit(&ring, &params, rings);
		if (result < 0)
			cannot("this kernel has no sockets through io_uring");
		entry = slot(&ring);
		*entry = (struct io_uring_sqe){ .fd = result, .addr = (unsigned long)&address };
		if (same(what, "connect")) {
			entry->opcode = IORING_OP_CONNECT;
			entry->off = sizeof(address);
		} else {
			entry->opcode = OP_BIND;
			entry->addr2 = sizeof(address);
		}
		result = submit(&ring, &params, rings);
		if (result == -22 && entry->opcode == OP_BIND)
			cannot("this kernel does not bind through io_uring");
		return result < 0 ? -result : 0;
	}
	result = submit(&ring, &params, rings);
	if (result == -22)
		cannot("this kernel has no such operation of io_uring");
	return result < 0 ? -result : 0;
}
