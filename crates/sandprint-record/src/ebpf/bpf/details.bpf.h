/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What calls were made with, and how they failed: only with config.details.
 *
 * Seccomp decides before the tracepoint sys_enter: a call that a filter refuses comes to sys_exit alone. So
 * does one that began before its task was followed. Which of them it was, the head of the task tells: each
 * counted call leaves its mark there.
 */
#ifndef SANDPRINT_DETAILS_H
#define SANDPRINT_DETAILS_H

/*
 * Key: image, target, call, and the arguments that tell such calls apart. Value: how often.
 * Written by: count_arguments. When full: the call's `kinds` say that not all are known.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_arguments_key);
	__type(value, u64);
} arguments SEC(".maps");

/*
 * Key: image, target, call, errno, and whether a filter gave it. Value: how often.
 * Written by: note_result. When full: SP_LOST_RESULTS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_result_key);
	__type(value, u64);
} results SEC(".maps");

/* In the head of a task: it is in no call. 0 is nothing: it may be in one that was not seen to begin. */
#define SP_NO_CALL (~0ULL)
/* What the kernel has for the number of a call at the end of rt_sigreturn and its kin. */
#define SP_NO_NUMBER (~0U)

/* A call as the head of its task has it. */
static __always_inline u64 call_of(u32 abi, u32 nr)
{
	return ((u64)abi << 32 | nr) + 1;
}

/*
 * Adds one to what a key stands for, in a map of counters. Returns whether it could. Whether the key was new
 * is in `*is_new`.
 */
static __always_inline bool count_key(void *map, const void *key, bool *is_new)
{
	u64 *count = bpf_map_lookup_elem(map, key);
	u64 one = 1;

	*is_new = false;
	if (!count) {
		if (!bpf_map_update_elem(map, key, &one, BPF_NOEXIST)) {
			*is_new = true;
			return true;
		}
		/* Another CPU was first, or there is no room. */
		count = bpf_map_lookup_elem(map, key);
		if (!count)
			return false;
	}
	__sync_fetch_and_add(count, 1);
	return true;
}

/* Arguments that are not in the map yet. Kept out of line: it is rare. */
static __noinline int new_arguments(const struct sp_arguments_key *key)
{
	struct sp_call_key call_key = {
		.image = key->image,
		.target = key->target,
		.abi = key->abi,
		.nr = key->nr,
	};
	struct sp_call *call = first_call(&call_key, true);
	bool is_new;

	/* If there is room for the call later, its values are not all known. */
	if (!call) {
		count_lost(SP_LOST_CALLS, 1);
		return 0;
	}
	if (call->kinds >= SP_KINDS || !count_key(&arguments, key, &is_new))
		call->kinds = SP_KINDS + 1;
	else if (is_new)
		__sync_fetch_and_add(&call->kinds, 1);
	return 0;
}

/* Counts a call with such arguments. */
static __always_inline void count_arguments(u64 image, u32 target, struct sp_arguments_key *key, u32 abi,
					    u32 nr)
{
	u64 *count;

	key->image = image;
	key->target = target;
	key->abi = abi;
	key->nr = nr;
	count = bpf_map_lookup_elem(&arguments, key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		new_arguments(key);
}

/* The arguments of a call in its registers, at its begin and at its end. */
static __always_inline void read_arguments_of(const void *address, bool compat, u64 *args)
{
	if (config.x86) {
		const struct pt_regs___x86 *regs = address;

		/* Of a 32-bit call the kernel looks at the lower halves alone. */
		args[0] = compat ? (u32)regs->bx : regs->di;
		args[1] = compat ? (u32)regs->cx : regs->si;
		args[2] = compat ? (u32)regs->dx : regs->dx;
		args[3] = compat ? (u32)regs->si : regs->r10;
		args[4] = compat ? (u32)regs->di : regs->r8;
		args[5] = compat ? (u32)regs->bp : regs->r9;
	} else {
		const struct pt_regs___arm64 *regs = address;

		/* The first register holds what the call returned, once it has. */
		args[0] = regs->orig_x0;
#pragma clang loop unroll(full)
		for (u32 i = 1; i < 6; i++)
			args[i] = regs->regs[i];
	}
}

#ifdef SP_PERF
/* What a call begins with. No typedef: CO-RE would look for that in the kernel. */
#define sp_entry struct trace_event_raw_sys_enter

/*
 * A word of the record of raw_syscalls:sys_enter, whose layout is an interface
 * (events/raw_syscalls/sys_enter/format of tracefs): the arguments are from byte 16 on. As one instruction,
 * because the verifier takes no address that was computed from that of the context, as clang would.
 */
#define SP_WORD(entry, offset)                                                                               \
	({                                                                                                   \
		u64 word;                                                                                    \
		asm volatile("%[word] = *(u64 *)(%[entry] + %[at])"                                          \
			     : [word] "=r"(word)                                                             \
			     : [entry] "r"(entry), [at] "i"(offset));                                        \
		word;                                                                                        \
	})

static __always_inline void read_entry(const sp_entry *entry, bool compat, u64 *args)
{
	args[0] = SP_WORD(entry, 16);
	args[1] = SP_WORD(entry, 24);
	args[2] = SP_WORD(entry, 32);
	args[3] = SP_WORD(entry, 40);
	args[4] = SP_WORD(entry, 48);
	args[5] = SP_WORD(entry, 56);
}
#else
/* What a call begins with: the registers. */
#define sp_entry void

#define read_entry read_arguments_of
#endif

/* The arguments of a call that has such as tell calls apart. */
static __always_inline void note_arguments(const struct sp_head *head, const sp_entry *entry, u64 which,
					   u32 abi, u32 nr)
{
	struct sp_arguments_key key = {};
	u64 args[6];

	read_entry(entry, abi == SP_ABI_COMPAT, args);
	select_arguments(which, abi * SP_SELECTED + nr, args, key.args);
	count_arguments(head->image, head->target, &key, abi, nr);
}

/* A call of a followed task that was counted. */
static __always_inline void note_details(struct sp_head *head, const sp_entry *entry, u32 abi, u32 nr)
{
	u64 which = selected_of(abi, nr);

	head->call = call_of(abi, nr);
	if (which)
		note_arguments(head, entry, which, abi, nr);
}

static __noinline int note_result(u64 image, u32 target, u64 call, u32 error, u32 refused)
{
	struct sp_result_key key = {
		.image = image,
		.target = target,
		.abi = (call - 1) >> 32,
		.nr = call - 1,
		.error = error,
		.refused = refused,
	};
	bool is_new;

	if (!count_key(&results, &key, &is_new))
		count_lost(SP_LOST_RESULTS, 1);
	return 0;
}

/* The error that a call gave, as its program sees it; 0 for none. One that is made again gave none. */
static __always_inline u32 error_of(long ret)
{
	if (ret >= 0 || ret < -MAX_ERRNO)
		return 0;
	if (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK)
		return 0;
	return -ret;
}

#endif
