/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Who is followed: admission, inheritance, the end. */
#ifndef SANDPRINT_FOLLOW_H
#define SANDPRINT_FOLLOW_H

/* Most ancestors looked at to find out whether a running task descends from a target. */
#define SP_ANCESTORS 512

/*
 * Followed tasks, each with its own counters. Key: the task. Value: struct sp_task; its image is 0 until
 * the task is admitted.
 * Written by: admit (creation), the task itself (counts), on_collect (takes the counts away). When it cannot
 * be created, the task goes into the tids map instead.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sp_task);
} tasks SEC(".maps");

/*
 * Followed tasks without task storage: all of them where the kernel has none that is reliable in
 * tracing programs (before 6.2), else those whose storage could not be created.
 * Key: tid in the initial PID namespace. Value: struct sp_head.
 * Written by: admit, on_exec, on_exit. When full: the task is not followed, SP_LOST_ADMISSION.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, struct sp_head);
} tids SEC(".maps");

/*
 * The processes to attach to, as user space knows them. Key: tgid in the recorder's PID namespace. Value: the
 * number of the target that they are.
 * Written by: user space before the walk. Cannot be full in the kernel.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u32);
} wanted SEC(".maps");

/*
 * The same processes by their tgid in the initial PID namespace, and children that they left behind.
 * Written by: walk_resolve, at most as many as in the wanted map; keep_children. When full:
 * SP_LOST_ADMISSION.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u32);
} targets SEC(".maps");

/*
 * With config.details: the processes that followed tasks are of. Key: tgid. Value: not used.
 * Written by: begin_process, end_process. When full: the peak of processes is not higher.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u8);
} live_processes SEC(".maps");

struct sp_control control SEC(".data.control") = {};
struct sp_state state = {};

/* Ancestors in a row. */
#define SP_ROW 16

/*
 * Looks through a row of ancestors, from the task at that address on: gives the number of the first target, 0
 * for none, or the address to go on from, which is more than any number. A function of its own, with its loop
 * unrolled: as one loop, 512 ancestors were 20,000 instructions to the verifier, in each of four programs.
 */
__noinline u64 climb(u64 address)
{
	struct task_struct *task = (void *)address;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < SP_ROW; i++) {
		u32 tgid = BPF_CORE_READ(task, tgid);
		u32 *target = bpf_map_lookup_elem(&targets, &tgid);

		if (target)
			return *target;
		if (tgid <= 1 || !config.follow_children)
			return 0;
		task = BPF_CORE_READ(task, real_parent);
	}
	return (u64)task;
}

/* The target that the task belongs to or descends from, of those that are attached to; 0 for none. */
static __always_inline u32 target_by_descent(struct task_struct *task)
{
	u64 found = (u64)BPF_CORE_READ(task, group_leader);

#pragma clang loop unroll(disable)
	for (u32 row = 0; row < SP_ANCESTORS / SP_ROW; row++) {
		found = climb(found);
		if (found <= 0xffffffff)
			return found;
	}
	/* Whoever is deeper is not known to be followed, and may have to be. */
	count_lost(SP_LOST_ADMISSION, 1);
	return 0;
}

/*
 * Whether a task is the recorder's: its own, or a process that it has made for itself. Where running tasks
 * are recorded it makes no others.
 */
static __always_inline bool is_ours(struct task_struct *task)
{
	u32 self = state.self_tgid;

	return self && ((u32)BPF_CORE_READ(task, tgid) == self ||
			(u32)BPF_CORE_READ(task, real_parent, tgid) == self);
}

/*
 * Whether a task that comes into a followed cgroup is followed only from its exec on: a service manager makes
 * the task, puts it there, and has it set up the unit's sandbox first. Asked of the process, whose threads
 * may be younger.
 */
static __always_inline bool begins_with_exec(struct task_struct *task)
{
	u64 from = control.exec_from;

	return from && BPF_CORE_READ(task, group_leader, start_boottime) >= from;
}

/*
 * The target that a task which is not followed is to be of, now that running tasks are being attached to: the
 * walk has not come to it yet. 0 for none.
 */
static __always_inline u32 target_to_be_attached(struct task_struct *task)
{
	if (!config.walks || !control.attaching || is_ours(task))
		return 0;
	return target_by_descent(task);
}

/* The storage of a task; NULL where it has none. `task` is one that the verifier trusts. */
static __always_inline struct sp_task *storage_of(struct task_struct *task)
{
	return bpf_task_storage_get(&tasks, task, NULL, 0);
}

/*
 * Whether a task may have a storage. Most tasks of the machine have none of anybody's, which is seen without
 * asking the helper: for the hooks that every call of theirs comes to. Elsewhere it would cost more than it
 * gives: to know whether such a pointer is to be trusted, the verifier looks some names up among all types of
 * the kernel, which takes a millisecond or two, for each way that leads here (btf_nested_type_is_trusted).
 */
static __always_inline bool may_have_storage(struct task_struct *task)
{
	return !bpf_core_field_exists(task->bpf_storage) || task->bpf_storage;
}

/*
 * What is known of a followed task; NULL for one that is not followed. `task` is the current task, or
 * a new one that does not run yet, or one that the task iterator visits.
 */
static __always_inline struct sp_head *find_head(struct task_struct *task, bool by_tid)
{
	u32 tid;

	if (!by_tid) {
		struct sp_task *storage = storage_of(task);

		if (storage)
			return &storage->head;
		if (!state.by_tid)
			return NULL;
	}
	tid = BPF_CORE_READ(task, pid);
	return bpf_map_lookup_elem(&tids, &tid);
}

/* Keeps the greater. Two tasks that do so at once may keep the lesser of theirs. */
static __always_inline void keep_most(u64 *most, u64 value)
{
	if (value > *most)
		*most = value;
}

/* A followed task is of that process, which may be a new one. */
static __always_inline void begin_process(u32 tgid)
{
	u8 one = 1;

	if (bpf_map_update_elem(&live_processes, &tgid, &one, BPF_NOEXIST))
		return;
	__sync_fetch_and_add(&state.processes, 1);
	keep_most(&state.most_processes, state.processes);
}

/* The last thread of a process ends; another one that does so at the same time may think so too. */
static __always_inline void end_process(u32 tgid)
{
	if (!bpf_map_delete_elem(&live_processes, &tgid))
		__sync_fetch_and_add(&state.processes, -1);
}

/* A task that is followed is one fewer. */
static __always_inline void end_of_task(u32 tgid)
{
	__sync_fetch_and_add(&state.live, -1);
	/* Two tasks that end at once may both see 0; the last one always does. */
	if (!state.live)
		send_event(SP_EVENT_EMPTY, tgid, 0);
}

/*
 * Follows a task from now on, as `as` says; one that is followed already stays as it is, since while running
 * tasks are attached to, the walk, the task's own hooks and its parent's may all come to admit it. Returns
 * what is known of it, or NULL where it cannot be followed.
 */
static __always_inline struct sp_head *admit(struct task_struct *task, const struct sp_head *as, bool by_tid)
{
	struct sp_head *found = NULL;
	long error;
	u32 tid;

	if (!by_tid) {
		struct sp_task *storage =
			bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

		if (storage) {
			found = &storage->head;
			/* First, since with its image it is admitted; whoever was first decides both. */
			claim(&found->target, as->target);
			claim(&found->call, as->call);
			if (claim(&found->image, as->image))
				return found;
			fetch_or(&found->flags, as->flags);
		}
	}
	if (!found) {
		tid = BPF_CORE_READ(task, pid);
		error = bpf_map_update_elem(&tids, &tid, as, BPF_NOEXIST);
		if (error && error != -EEXIST) {
			count_lost(SP_LOST_ADMISSION, 1);
			return NULL;
		}
		found = bpf_map_lookup_elem(&tids, &tid);
		if (error)
			return found;
		__sync_fetch_and_add(&state.by_tid, 1);
	}
	__sync_fetch_and_add(&state.live, 1);
	__sync_fetch_and_add(&state.admitted, 1);
	keep_most(&state.most_live, state.live);
	if (config.details)
		begin_process(BPF_CORE_READ(task, tgid));
	return found;
}

static __always_inline bool has_seccomp_filter(struct task_struct *task)
{
	return bpf_core_field_exists(task->seccomp) && BPF_CORE_READ(task, seccomp.mode);
}

/* Admits a task that already ran a program: the recorder's own child at its exec, or one attached to. */
static __always_inline struct sp_head *admit_running(struct task_struct *task, u32 target, u64 image,
						     bool by_tid)
{
	struct sp_head head = {.image = image, .target = target};

	if (has_seccomp_filter(task)) {
		__sync_fetch_and_add(&state.seccomp_active, 1);
		head.flags = SP_HEAD_SECCOMP;
	}
	return admit(task, &head, by_tid);
}

/* Tells of a filter that came after admission. */
static __always_inline void check_seccomp(struct task_struct *task, struct sp_head *head)
{
	if (!(head->flags & SP_HEAD_SECCOMP) && has_seccomp_filter(task)) {
		__sync_fetch_and_add(&state.seccomp_installed, 1);
		head->flags |= SP_HEAD_SECCOMP;
	}
}

#endif
