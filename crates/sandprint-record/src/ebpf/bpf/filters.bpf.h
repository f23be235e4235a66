/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The filters of a task: an id for each distinct one, and its instructions. */
#ifndef SANDPRINT_FILTERS_H
#define SANDPRINT_FILTERS_H

/* Steps in a row. BPF_MAXINSNS instructions of 8 bytes take all rows. */
#define SP_FILTER_ROW 16
#define SP_FILTER_ROWS (SP_CODE_PART * SP_CODE_PARTS / SP_HASH_STEP / SP_FILTER_ROW)

/*
 * The filters whose instructions were told. Key: id. Value: 1.
 * Written by: filter_id; an entry goes where its instructions could not be told. When full: they are told
 * each time.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, u32);
} told_filters SEC(".maps");

/*
 * Payload: struct sp_code.
 * Written by: filter_id. When full: SP_LOST_FILTERS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} code SEC(".maps");

/*
 * A row of steps. As with hash_part, this is a function of its own, so that the verifier sees it once: as one
 * loop in another they were 190,000 instructions to it.
 */
__noinline u64 hash_row(u64 address, u32 bytes, u64 hash)
{
#pragma clang loop unroll(disable)
	for (u32 step = 0; step < SP_FILTER_ROW; step++) {
		u32 done = step * SP_HASH_STEP;

		if (done >= bytes)
			break;
		hash = hash_step(address + done, bytes - done, hash);
		if (!hash)
			break;
	}
	return hash;
}

/* 0 where they could not be read. */
static __always_inline u64 hash_instructions(u64 address, u32 bytes)
{
	u64 hash = config.hash_seed ^ bytes;

#pragma clang loop unroll(disable)
	for (u32 row = 0; row < SP_FILTER_ROWS; row++) {
		u32 done = row * SP_FILTER_ROW * SP_HASH_STEP;

		if (done >= bytes)
			break;
		hash = hash_row(address + done, bytes - done, hash);
		if (!hash)
			break;
	}
	return hash;
}

/*
 * The id of a filter, by its address; 0 where its instructions cannot be read. They are there where the
 * kernel was built to keep them (CONFIG_CHECKPOINT_RESTORE, or since 5.11 an architecture with
 * SECCOMP_ARCH_NATIVE: 8e01b51a31a1).
 */
__noinline u64 filter_id(u64 address)
{
	struct seccomp_filter *filter = (void *)address;
	struct sock_fprog_kern *original = BPF_CORE_READ(filter, prog, orig_prog);
	const void *instructions;
	u32 one = 1;
	u32 bytes;
	u64 id;

	if (!original)
		return 0;
	instructions = BPF_CORE_READ(original, filter);
	bytes = (u32)BPF_CORE_READ(original, len) * 8;
	if (!instructions || !bytes || bytes > SP_CODE_PART * SP_CODE_PARTS)
		return 0;
	id = hash_instructions((u64)instructions, bytes);
	if (!id || bpf_map_update_elem(&told_filters, &id, &one, BPF_NOEXIST) == -EEXIST)
		return id;
#pragma clang loop unroll(disable)
	for (u32 part = 0; part < SP_CODE_PARTS; part++) {
		u32 left = bytes - part * SP_CODE_PART;
		struct sp_code *told;

		if (part * SP_CODE_PART >= bytes)
			break;
		told = bpf_ringbuf_reserve(&code, sizeof(*told), 0);
		if (!told) {
			count_lost(SP_LOST_FILTERS, 1);
			bpf_map_delete_elem(&told_filters, &id);
			break;
		}
		told->id = id;
		told->bytes = bytes;
		told->part = part;
		/* What lies behind the filter's end is not shown: only as much is read as there is. */
		if (left >= SP_CODE_PART) {
			bpf_probe_read_kernel(told->data, SP_CODE_PART, instructions + part * SP_CODE_PART);
		} else {
			barrier_var(left);
			bpf_probe_read_kernel(told->data, left & (SP_CODE_PART - 1),
					      instructions + part * SP_CODE_PART);
		}
		bpf_ringbuf_submit(told, 0);
	}
	return id;
}

#endif
