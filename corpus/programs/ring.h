/* A tiny io_uring: one ring, no library. */
#ifndef RING_H
#define RING_H

#include <linux/io_uring.h>
#include "raw.h"

struct ring {
	long fd;
	unsigned int *tail, *mask, *array, *seen, *completed;
	struct io_uring_sqe *entries;
};

/* Sets a ring up. One io_uring_setup, two mmap. */
__attribute__((unused)) static long open_ring(struct ring *ring, struct io_uring_params *params)
{
	unsigned long size;
	char *rings;

	ring->fd = sys(__NR_io_uring_setup, 8, params);
	if (ring->fd < 0)
		return ring->fd;
	/* No page more than there is, which Linux 5.10 refuses. */
	size = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
	rings = (char *)sys(__NR_mmap, 0, size, 3, 1 | 0x8000, ring->fd, IORING_OFF_SQ_RING);
	ring->entries = (void *)sys(__NR_mmap, 0, 8 * sizeof(struct io_uring_sqe), 3, 1 | 0x8000, ring->fd,
				    IORING_OFF_SQES);
	ring->tail = (void *)(rings + params->sq_off.tail);
	ring->mask = (void *)(rings + params->sq_off.ring_mask);
	ring->array = (void *)(rings + params->sq_off.array);
	ring->completed = (void *)(rings + params->cq_off.tail);
	ring->seen = (void *)(rings + params->cq_off.head);
	return 0;
}

/* Puts one operation that does nothing into the queue. No call. */
__attribute__((unused)) static void queue_nop(struct ring *ring)
{
	unsigned int tail = *ring->tail, slot = tail & *ring->mask;

	ring->entries[slot] = (struct io_uring_sqe){ .opcode = IORING_OP_NOP };
	ring->array[slot] = slot;
	__atomic_store_n(ring->tail, tail + 1, __ATOMIC_RELEASE);
}

#endif
