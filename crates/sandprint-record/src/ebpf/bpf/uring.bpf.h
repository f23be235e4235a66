/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Operations submitted through io_uring, which no system call shows. */
#ifndef SANDPRINT_URING_H
#define SANDPRINT_URING_H

/*
 * io_uring instances of followed tasks: their submission-queue threads pass no fork hook.
 * Key: address of the io_ring_ctx. Value: whose it is, with no opcode. Written by: on_ring. When full:
 * SP_LOST_RINGS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct sp_uring_key);
} rings SEC(".maps");

/*
 * Key: image, target, opcode (IORING_OP_*). Value: operations submitted. Written by: on_submit. When full:
 * SP_LOST_RINGS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_uring_key);
	__type(value, u64);
} uring_ops SEC(".maps");

static __always_inline struct sp_head *head_of_current(bool by_tid)
{
	if (by_tid)
		return find_head((void *)bpf_get_current_task(), true);
	return find_head(bpf_get_current_task_btf(), false);
}

static __always_inline int on_ring(u64 ring, bool by_tid)
{
	struct sp_head *head = head_of_current(by_tid);
	struct sp_uring_key whose = {};

	if (!head || !head->image) {
		/* The address may have been that of another one, which is gone. */
		bpf_map_delete_elem(&rings, &ring);
		return 0;
	}
	whose.image = head->image;
	whose.target = head->target;
	if (bpf_map_update_elem(&rings, &ring, &whose, BPF_ANY))
		count_lost(SP_LOST_RINGS, 1);
	return 0;
}

static __always_inline int on_submit(u64 ring, u8 opcode, bool by_tid)
{
	struct sp_head *head = head_of_current(by_tid);
	struct sp_uring_key key = {};
	bool is_new;

	if (head && head->image) {
		key.image = head->image;
		key.target = head->target;
	} else {
		struct sp_uring_key *whose = bpf_map_lookup_elem(&rings, &ring);

		if (!whose)
			return 0;
		key = *whose;
	}
	key.opcode = opcode;
	if (!count_key(&uring_ops, &key, &is_new))
		count_lost(SP_LOST_RINGS, 1);
	__sync_fetch_and_add(&state.uring_submitted, 1);
	return 0;
}

#ifdef SP_PERF
SP_READER(read_uring, struct sp_uring_key, u64, true, true)

SP_TWINS("tracepoint/io_uring/io_uring_create", uring_create, struct trace_event_raw_io_uring_create)
{
	return on_ring((u64)ctx->ctx, by_tid);
}

SP_TWINS("tracepoint/io_uring/io_uring_submit_req", uring_submit, struct trace_event_raw_io_uring_submit_req)
{
	return on_submit((u64)ctx->ctx, ctx->opcode, by_tid);
}
#else
SP_TWINS("raw_tp/io_uring_create", uring_create, struct bpf_raw_tracepoint_args)
{
	return on_ring(ctx->args[1], by_tid);
}

static __always_inline int on_submission(const u64 *args, bool by_tid)
{
	u64 ring = 0;
	u8 opcode = 0;

	read_submission(args, &ring, &opcode);
	return on_submit(ring, opcode, by_tid);
}

SP_TWINS("raw_tp/io_uring_submit_req", uring_submit, struct bpf_raw_tracepoint_args)
{
	return on_submission(ctx->args, by_tid);
}

/* What older kernels call it; two forms, see kernel_fixes.bpf.h. They keep tasks by tid. */
SEC("raw_tp/io_uring_submit_sqe")
int uring_submit_sqe(struct bpf_raw_tracepoint_args *ctx)
{
	return on_submission(ctx->args, true);
}

SEC("raw_tp/io_uring_submit_sqe")
int uring_old_submit_sqe(struct bpf_raw_tracepoint_args *ctx)
{
	u64 ring = 0;
	u8 opcode = 0;

	read_old_submission(ctx->args, &ring, &opcode);
	return on_submit(ring, opcode, true);
}
#endif

#endif
