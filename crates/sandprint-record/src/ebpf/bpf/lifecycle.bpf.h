/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Fork, exec and exit of followed tasks. */
#ifndef SANDPRINT_LIFECYCLE_H
#define SANDPRINT_LIFECYCLE_H

/* Runs in the parent, before the child runs. Fires for new threads too. */
static __always_inline int on_fork(struct task_struct *parent, struct task_struct *child, bool by_tid)
{
	struct sp_head *head = find_head(parent, by_tid);
	struct sp_head as;
	u32 target;

	if (!head || !head->image) {
		target = target_to_be_attached(parent);
		if (target)
			head = admit_running(parent, target, running_image(parent), by_tid);
	}
	if (!head)
		return 0;
	if (!config.follow_children && BPF_CORE_READ(parent, tgid) != BPF_CORE_READ(child, tgid))
		return 0;
	check_seccomp(parent, head);
	as = *head;
	/* It comes out of its parent's call, which gives it no error. */
	as.call = SP_NO_CALL;
	admit(child, &as, by_tid);
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

/* Says whether what the task executed is a script. */
static __always_inline int note_kind(struct sp_head *head, enum sp_exec kind)
{
	if (kind == SP_EXEC_SCRIPT)
		head->flags |= SP_HEAD_SCRIPT;
	else
		head->flags &= ~SP_HEAD_SCRIPT;
	return 0;
}

/*
 * The target whose footprint begins with this exec: that of the recorder's own child, or of a cgroup. 0 for
 * none.
 */
static __always_inline u32 target_of_exec(struct task_struct *task)
{
	struct bpf_pidns_info ids = {};

	if (config.cgroup && control.exec_from && !is_ours(task)) {
		u32 target = target_of_cgroup();

		if (target)
			return target;
	}
	if (!control.launch_pid || state.launched_ns)
		return 0;
	if (bpf_get_ns_current_pid_tgid(config.pid_ns_dev, config.pid_ns, &ids, sizeof(ids)) ||
	    ids.tgid != control.launch_pid)
		return 0;
	state.launched_ns = bpf_ktime_get_ns();
	return SP_TARGET_COMMAND;
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
	u32 attach = 0, begins = 0;
	u64 image;

	if (!by_tid) {
		struct sp_task *storage = storage_of(task);

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
	if (!head || !head->image)
		attach = target_to_be_attached(task);
	if (!head && !attach) {
		begins = target_of_exec(task);
		if (!begins)
			return 0;
	}

	if (kind == SP_EXEC_UNSEEN)
		count_lost(SP_LOST_SCRIPTS, 1);
	if (kind != SP_EXEC_SCRIPT)
		filename = 0;
	image = image_id(file, filename, (u64)BPF_CORE_READ(task, fs), BPF_CORE_READ(task, tgid));

	/* The walk may have passed it already: an exec from a thread changes the tid. */
	if (attach)
		head = admit_running(task, attach, image, by_tid);
	else if (!head) {
		/* The footprint begins here, with this call. */
		struct sp_call_key key = {
			.image = image,
			.target = begins,
			.abi = SP_ABI_NATIVE,
			.nr = config.execve_nr,
		};

		head = admit_running(task, begins, image, by_tid);
		if (head) {
			add_calls(&key, 1, true);
			/* The end of this exec is no error. */
			head->call = SP_NO_CALL;
			note_kind(head, kind);
		}
		return 0;
	}
	if (!head)
		return 0;
	check_seccomp(task, head);
	head->before = head->image;
	head->image = image;
	return note_kind(head, kind);
}

/* Most children of one process looked at when it ends while running tasks are attached to. */
#define SP_CHILDREN 128

/*
 * The children of a process that ends go to another parent, where the walk would not know them: they become
 * targets of their own. Runs before they are handed over.
 */
static __always_inline void keep_children(struct task_struct *task, u32 target)
{
	u64 head = (u64)task + bpf_core_field_offset(struct task_struct, children);
	u64 next = (u64)BPF_CORE_READ(task, children.next);

#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_CHILDREN; i++) {
		struct task_struct *child;
		u32 tgid;

		if (next == head || !next)
			return;
		child = (void *)(next - bpf_core_field_offset(struct task_struct, sibling));
		tgid = BPF_CORE_READ(child, tgid);
		if (!tgid || bpf_map_update_elem(&targets, &tgid, &target, BPF_ANY))
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
	u32 target = target_to_be_attached(task);

	if (target)
		keep_children(task, target);
	/* The last thread of its process. */
	if (config.details && !BPF_CORE_READ(task, signal, live.counter))
		end_process(tgid);
	if (!by_tid) {
		struct sp_task *storage = storage_of(task);

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

#ifdef SP_PERF
/*
 * What the execs that are under way run. Key: the tid before the exec, in the initial PID namespace.
 * Value: enum sp_exec. Written by: on_prepare; taken by take_kind. When full: SP_LOST_SCRIPTS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u32);
} execs SEC(".maps");

/*
 * Runs when an exec can no longer fail, in the task that makes it. Only here can be told whether a script is
 * executed, and only from the binprm, which no perf event shows: the record of the event has the strings, and
 * the kernel refuses to make it where both are of the greatest length. So these are programs on raw
 * tracepoints, which can be skipped, and there are several: one that runs is enough, and that none ran is
 * seen by take_kind.
 */
static __always_inline int on_prepare(struct linux_binprm *bprm)
{
	u32 tid = bpf_get_current_pid_tgid();
	u32 kind = kind_of(bprm);

	bpf_map_update_elem(&execs, &tid, &kind, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(prepare_exec_1, struct task_struct *task, struct linux_binprm *bprm)
{
	return on_prepare(bprm);
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(prepare_exec_2, struct task_struct *task, struct linux_binprm *bprm)
{
	return on_prepare(bprm);
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(prepare_exec_3, struct task_struct *task, struct linux_binprm *bprm)
{
	return on_prepare(bprm);
}

/* What on_prepare found of the exec that the task with this tid began. */
static __always_inline enum sp_exec take_kind(u32 old_tid)
{
	u32 *found = bpf_map_lookup_elem(&execs, &old_tid);
	u32 kind = SP_EXEC_UNSEEN;

	if (found) {
		kind = *found;
		bpf_map_delete_elem(&execs, &old_tid);
	}
	return kind;
}

static __always_inline int on_fork_of(s32 child_pid, bool by_tid)
{
	struct task_struct *parent = bpf_get_current_task_btf();
	struct task_struct *child = bpf_task_from_pid(child_pid);

	/* It has its number and does not run yet, so it is there. */
	if (!child) {
		count_lost(SP_LOST_ADMISSION, 1);
		return 0;
	}
	on_fork(parent, child, by_tid);
	bpf_task_release(child);
	return 0;
}

/* The address of the string in the record of an exec. */
static __always_inline u64 filename_in(struct trace_event_raw_sched_process_exec *ctx)
{
	void *filename = (void *)ctx + (ctx->__data_loc_filename & 0xffff);
	u64 address = 0;

	/* As a number: the verifier wants addresses inside its context told apart from others. */
	bpf_probe_read_kernel(&address, sizeof(address), &filename);
	return address;
}

static __always_inline int on_exec_of(struct trace_event_raw_sched_process_exec *ctx, bool by_tid)
{
	struct task_struct *task = bpf_get_current_task_btf();
	enum sp_exec kind = take_kind(ctx->old_pid);

	return on_exec(task, ctx->old_pid, (u64)BPF_CORE_READ(task, mm, exe_file), filename_in(ctx), kind,
		       by_tid);
}

SP_TWINS("tracepoint/sched/sched_process_fork", follow_fork, struct trace_event_raw_sched_process_fork)
{
	return on_fork_of(ctx->child_pid, by_tid);
}

SP_TWINS("tracepoint/sched/sched_process_exec", follow_exec, struct trace_event_raw_sched_process_exec)
{
	return on_exec_of(ctx, by_tid);
}

SP_TWINS("tracepoint/sched/sched_process_exit", follow_exit, void)
{
	return on_exit(bpf_get_current_task_btf(), by_tid);
}
#else
SP_BTF_TWINS("sched_process_fork", follow_fork, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(parent, child, by_tid);
}

SP_BTF_TWINS("sched_process_exec", follow_exec, struct task_struct *task, s32 old_pid,
	     struct linux_binprm *bprm)
{
	return on_exec(task, old_pid, file_of(bprm), filename_of(bprm), kind_of(bprm), by_tid);
}

SP_BTF_TWINS("sched_process_exit", follow_exit, struct task_struct *task)
{
	return on_exit(task, by_tid);
}
#endif

#endif
