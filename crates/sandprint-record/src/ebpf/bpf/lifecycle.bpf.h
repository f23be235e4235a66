/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Fork, exec and exit of followed tasks. */
#ifndef SANDPRINT_LIFECYCLE_H
#define SANDPRINT_LIFECYCLE_H

/* Runs in the parent, before the child runs. Fires for new threads too. */
static __always_inline int on_fork(struct task_struct *parent, struct task_struct *child, bool by_tid)
{
	struct sp_head *head = find_head(parent, by_tid);

	if ((!head || !head->image) && is_to_be_attached(parent))
		head = admit_running(parent, running_image(parent), by_tid);
	if (!head)
		return 0;
	if (!config.follow_children && BPF_CORE_READ(parent, tgid) != BPF_CORE_READ(child, tgid))
		return 0;
	check_seccomp(parent, head);
	admit(child, head->image, head->flags, by_tid);
	return 0;
}

/* What an exec runs: the file that was named, or the interpreter that a binary format found for it. */
enum sp_exec {
	SP_EXEC_UNSEEN = 0,
	SP_EXEC_PLAIN = 1,
	SP_EXEC_SCRIPT = 2,
};

static __always_inline u64 file_of(struct linux_binprm *bprm)
{
	return (u64)BPF_CORE_READ(bprm, file);
}

static __always_inline u64 filename_of(struct linux_binprm *bprm)
{
	return (u64)BPF_CORE_READ(bprm, filename);
}

/* A binary format that runs an interpreter changes `interp` and keeps `filename`. */
static __always_inline enum sp_exec kind_of(struct linux_binprm *bprm)
{
	return BPF_CORE_READ(bprm, interp) == BPF_CORE_READ(bprm, filename) ? SP_EXEC_PLAIN : SP_EXEC_SCRIPT;
}

/*
 * Runs after an exec that succeeded, in the task that goes on. Other threads of the process are gone;
 * the task has taken over its leader's tid, `old_pid` is the one it had. `file` is what runs now, `filename`
 * the string that the call gave: both are addresses.
 */
static __always_inline int on_exec(struct task_struct *task, s32 old_pid, u64 file, u64 filename,
				   enum sp_exec kind, bool by_tid)
{
	struct sp_head *head;
	bool attach;
	u64 image;

	if (!by_tid) {
		struct sp_task *storage = bpf_task_storage_get(&tasks, task, NULL, 0);

		if (storage)
			flush(storage);
	}
	if (by_tid || state.by_tid) {
		u32 old_tid = old_pid;
		u32 tid = BPF_CORE_READ(task, pid);
		struct sp_head *old = bpf_map_lookup_elem(&tids, &old_tid);

		if (old && tid != old_tid) {
			struct sp_head moved = *old;

			if (bpf_map_update_elem(&tids, &tid, &moved, BPF_ANY))
				count_lost(SP_LOST_ADMISSION, 1);
			bpf_map_delete_elem(&tids, &old_tid);
		}
	}
	head = find_head(task, by_tid);
	attach = (!head || !head->image) && is_to_be_attached(task);
	if (!head && !attach) {
		struct bpf_pidns_info ids = {};

		if (!control.launch_pid || state.launched_ns)
			return 0;
		if (bpf_get_ns_current_pid_tgid(config.pid_ns_dev, config.pid_ns, &ids, sizeof(ids)) ||
		    ids.tgid != control.launch_pid)
			return 0;
	}

	if (kind == SP_EXEC_UNSEEN)
		count_lost(SP_LOST_SCRIPTS, 1);
	if (kind != SP_EXEC_SCRIPT)
		filename = 0;
	image = image_id(file, filename, (u64)BPF_CORE_READ(task, fs), BPF_CORE_READ(task, tgid));

	/* The walk may have passed it already: an exec from a thread changes the tid. */
	if (attach)
		head = admit_running(task, image, by_tid);
	else if (!head) {
		/* The recorder's own child: the footprint begins here, with this call. */
		struct sp_call_key key = {.image = image, .abi = SP_ABI_NATIVE, .nr = config.execve_nr};

		state.launched_ns = bpf_ktime_get_ns();
		if (admit_running(task, image, by_tid))
			add_calls(&key, 1, true);
		return 0;
	}
	if (!head)
		return 0;
	check_seccomp(task, head);
	head->image = image;
	return 0;
}

/* Most children of one process looked at when it ends while running tasks are attached to. */
#define SP_CHILDREN 128

/*
 * The children of a process that ends go to another parent, where the walk would not know them: they become
 * targets of their own. Runs before they are handed over.
 */
static __always_inline void keep_children(struct task_struct *task)
{
	u64 head = (u64)task + bpf_core_field_offset(struct task_struct, children);
	u64 next = (u64)BPF_CORE_READ(task, children.next);
	u32 one = 1;

#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_CHILDREN; i++) {
		struct task_struct *child;
		u32 tgid;

		if (next == head || !next)
			return;
		child = (void *)(next - bpf_core_field_offset(struct task_struct, sibling));
		tgid = BPF_CORE_READ(child, tgid);
		if (!tgid || bpf_map_update_elem(&targets, &tgid, &one, BPF_ANY))
			break;
		next = (u64)BPF_CORE_READ(child, sibling.next);
	}
	count_lost(SP_LOST_ADMISSION, 1);
}

/* Fires for every thread, in the thread that ends; its storage goes with it. */
static __always_inline int on_exit(struct task_struct *task, bool by_tid)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	u32 tid = BPF_CORE_READ(task, pid);
	struct sp_head *head = NULL;

	if (is_to_be_attached(task))
		keep_children(task);
	if (!by_tid) {
		struct sp_task *storage = bpf_task_storage_get(&tasks, task, NULL, 0);

		if (storage) {
			flush(storage);
			head = &storage->head;
			check_seccomp(task, head);
			if (head->image && !(fetch_or(&head->flags, SP_HEAD_ENDED) & SP_HEAD_ENDED))
				end_of_task(tgid);
		}
		if (!state.by_tid)
			return 0;
	}
	/*
	 * Beside its storage too: where that could not be created for the one who came to admit it, and could
	 * for another at the same moment, it counts twice among the live ones.
	 */
	head = bpf_map_lookup_elem(&tids, &tid);
	if (!head)
		return 0;
	check_seccomp(task, head);
	if (bpf_map_delete_elem(&tids, &tid))
		return 0;
	__sync_fetch_and_add(&state.by_tid, -1);
	end_of_task(tgid);
	return 0;
}

#endif
