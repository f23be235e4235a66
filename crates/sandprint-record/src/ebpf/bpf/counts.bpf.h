/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* How often each call was made: the map of them, and how a task hands in its own counts. */
#ifndef SANDPRINT_COUNTS_H
#define SANDPRINT_COUNTS_H

/*
 * Key: image, target, ABI, number. Value: how often, and when and by whom first.
 * Written by: first_call (creation), add_calls. When full: SP_LOST_CALLS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_call_key);
	__type(value, struct sp_call);
} calls SEC(".maps");

/*
 * The entry of a call, made where there is none. NULL where the map is full. `now` says whether the current
 * task makes the call at this moment; else nothing is known of its first time.
 */
static __always_inline struct sp_call *first_call(const struct sp_call_key *key, bool now)
{
	struct sp_call *call = bpf_map_lookup_elem(&calls, key);
	struct sp_call fresh = {};
	u64 ids;

	if (call)
		return call;
	if (now) {
		ids = bpf_get_current_pid_tgid();
		fresh.first_ns = bpf_ktime_get_ns();
		fresh.tgid = ids >> 32;
		fresh.tid = (u32)ids;
		bpf_get_current_comm(fresh.comm, sizeof(fresh.comm));
	}
	if (!bpf_map_update_elem(&calls, key, &fresh, BPF_NOEXIST)) {
		__sync_fetch_and_add(&state.calls_seen, 1);
		if (now)
			state.last_new_ns = fresh.first_ns;
	}
	return bpf_map_lookup_elem(&calls, key);
}

static __always_inline void add_calls(const struct sp_call_key *key, u64 count, bool now)
{
	struct sp_call *call = first_call(key, now);

	if (call)
		__sync_fetch_and_add(&call->count, count);
	else
		count_lost(SP_LOST_CALLS, count);
}

/* Counts a call that has no slot in the task's own array. Kept out of line: it is rare. */
static __noinline int count_in_map(u64 image, u32 target, u32 abi, u32 nr)
{
	struct sp_call_key key = {.image = image, .target = target, .abi = abi, .nr = nr};

	add_calls(&key, 1, true);
	return 0;
}

static __noinline int note_first_call(u64 image, u32 target, u32 nr)
{
	struct sp_call_key key = {.image = image, .target = target, .abi = SP_ABI_NATIVE, .nr = nr};

	first_call(&key, true);
	return 0;
}

struct flush_context {
	struct sp_task *storage;
	u64 image;
	u32 target;
};

static long flush_slot(u32 nr, void *data)
{
	struct flush_context *context = data;
	struct sp_task *storage = context->storage;
	u64 count;

	if (nr >= SP_SLOTS)
		return 1;
	if (!storage->counts[nr])
		return 0;
	count = exchange(&storage->counts[nr], 0);
	if (count) {
		struct sp_call_key key = {
			.image = context->image,
			.target = context->target,
			.abi = SP_ABI_NATIVE,
			.nr = nr,
		};

		add_calls(&key, count, false);
	}
	return 0;
}

/*
 * Moves a task's own counts into the calls map: the current task's, or, once calls are no longer counted,
 * any task's. Each count is moved once, whoever else moves them at the same time. The image is read first:
 * a count that is still there belongs to the image from before an exec that is under way.
 */
static __always_inline void flush(struct sp_task *storage)
{
	struct flush_context context = {
		.storage = storage,
		.image = storage->head.image,
		.target = storage->head.target,
	};

	if (context.image)
		bpf_loop(SP_SLOTS, flush_slot, &context, 0);
}

#ifdef SP_PERF
/*
 * How calls stop being counted: the program itself stays attached for a while, since the kernel takes its
 * time to give up a perf event.
 */
static __always_inline bool is_stopped(void)
{
	return *(volatile u64 *)&control.stopped;
}
#endif

#endif
