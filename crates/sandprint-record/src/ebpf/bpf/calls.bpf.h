/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Which calls are made: the hook on every one of them. */
#ifndef SANDPRINT_CALLS_H
#define SANDPRINT_CALLS_H

static __always_inline int count_slow(struct task_struct *task, struct sp_head *head, u32 nr, sp_entry *entry,
				      bool trusted)
{
	u64 image = head->image;
	u32 target = head->target;
	u32 abi;

	/* Its admission is under way on another CPU: this call came before. */
	if (!image)
		return 0;
	abi = abi_of(task, trusted, &nr);
	count_in_map(image, target, abi, nr);
	if (config.details)
		note_details(head, entry, abi, nr);
	return 0;
}

/*
 * A followed cgroup: whatever makes a call in it is followed from that call on, however it came in, so
 * that there is no moment between entering and being seen. But for who begins with its exec: see on_exec.
 */
static __always_inline struct sp_head *admit_in_cgroup(struct task_struct *task, bool by_tid)
{
	u32 target;

	if (!config.cgroup)
		return NULL;
	target = target_of_cgroup();
	if (!target || is_ours(task) || begins_with_exec(task))
		return NULL;
	return admit_running(task, target, running_image(task), by_tid);
}

static __always_inline int on_sys_enter(struct task_struct *task, long id, sp_entry *entry, bool by_tid)
{
	struct sp_task *storage;
	struct sp_head *head;
	u32 nr = id;
	u64 slot = nr;
	bool native;

	if (by_tid) {
		head = find_head(task, true);
		if (!head)
			head = admit_in_cgroup(task, true);
		if (!head)
			return 0;
		return count_slow(task, head, nr, entry, false);
	}

	storage = may_have_storage(task) ? storage_of(task) : NULL;
	if (!storage) {
		if (!state.by_tid && !config.cgroup)
			return 0;
		head = find_head(task, false);
		if (!head)
			head = admit_in_cgroup(task, false);
		if (!head)
			return 0;
		return count_slow(task, head, nr, entry, true);
	}
	native = !is_compat(task, true);
	/*
	 * From here on in a register: clang would keep it on the stack, compare one copy of it and use
	 * another, of which the verifier of 6.1 then knows nothing.
	 */
	barrier_var(slot);
	if (native && slot < SP_SLOTS) {
		u64 before = storage->counts[slot];

		storage->counts[slot] = before + 1;
		if (!before && storage->head.image)
			note_first_call(storage->head.image, storage->head.target, nr);
		if (config.details && storage->head.image)
			note_details(&storage->head, entry, SP_ABI_NATIVE, nr);
		return 0;
	}
	return count_slow(task, &storage->head, nr, entry, true);
}

#ifdef SP_PERF
SP_TWINS("tracepoint/raw_syscalls/sys_enter", count_call, struct trace_event_raw_sys_enter)
{
	if (is_stopped())
		return 0;
	return on_sys_enter(by_tid ? (void *)bpf_get_current_task() : bpf_get_current_task_btf(), ctx->id,
			    ctx, by_tid);
}

SP_READER(read_calls, struct sp_call_key, struct sp_call, true, true)
#else
SP_BTF_TWINS("sys_enter", count_call, void *regs, long id)
{
	return on_sys_enter(by_tid ? (void *)bpf_get_current_task() : bpf_get_current_task_btf(), id, regs,
			    by_tid);
}
#endif

#endif
