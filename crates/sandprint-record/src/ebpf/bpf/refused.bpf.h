/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Calls that did not run. Seccomp decides before the tracepoint sys_enter: what a filter refuses, or somebody
 * answers in the call's place, never comes there, but does come to sys_exit, unless the task is ended at
 * once.
 */
#ifndef SANDPRINT_REFUSED_H
#define SANDPRINT_REFUSED_H

struct sp_marks {
	u8 of[SP_MARKS];
};

/*
 * What is known of each confined task's calls: enum sp_mark. A task's is at its tid's lower bits, then its
 * upper ones, so that neighbours do not share a cache line. Only the task itself reads and writes it, but for
 * the tid that a thread gives up when it executes.
 * Written by: every hook. Cannot be full: there is one for each tid.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SP_MARK_LINES);
	__type(key, u32);
	__type(value, struct sp_marks);
} marks SEC(".maps");

/*
 * Key: what makes them alike. Value: the first of them, and how often.
 * Written by: refuse. Entries of processes that ended are deleted by user space. When full:
 * SP_LOST_REFUSED.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_refused_key);
	__type(value, struct sp_refused);
} refused SEC(".maps");

/* One zeroed struct sp_refused, from which new ones are made. Nobody writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sp_refused);
} blank_refused SEC(".maps");

/*
 * Processes with such calls. Written by: refuse, watch_exit; deleted by user space. When full: the end is not
 * told, SP_LOST_ENDS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_process_key);
	__type(value, struct sp_process);
} processes SEC(".maps");

/*
 * The watched process and its descendants, where not all are watched. Key: tgid in the watcher's PID
 * namespace. Value: SP_MEMBER_LIVES, or when it ended. It stays for a while then: threads come to their ends
 * in any order. Written by: user space, watch_fork, watch_exit; deleted by watch_fork where the tgid is given
 * to somebody else, and by user space. When full: SP_LOST_MEMBERS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u64);
} members SEC(".maps");

static __always_inline u8 *mark_of(u32 tid)
{
	u32 line = tid & (SP_MARK_LINES - 1);
	struct sp_marks *found = bpf_map_lookup_elem(&marks, &line);

	return found ? &found->of[(tid / SP_MARK_LINES) & (SP_MARKS - 1)] : NULL;
}

/* Leaves those arguments that tell calls apart. */
static __always_inline void keep_selected(const struct sp_registers *registers, struct sp_refused_key *key)
{
	u64 which = selected_of(registers->abi, registers->nr);

	if (which)
		select_arguments(which, registers->abi * SP_SELECTED + registers->nr, registers->args,
				 key->args);
}

static __always_inline bool is_watched(struct task_struct *task)
{
	u32 tgid;

	if (config.cgroup)
		return target_of_cgroup();
	if (!config.members)
		return true;
	tgid = tgid_in_our_namespace(BPF_CORE_READ(task, group_leader));
	return tgid && bpf_map_lookup_elem(&members, &tgid);
}

/* The filters of the task, by content. */
static __always_inline void list_filters(struct task_struct *task, struct sp_refused *entry)
{
	struct seccomp_filter *filter = BPF_CORE_READ(task, seccomp.filter);

#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_FILTERS; i++) {
		if (!filter)
			return;
		entry->filters[i] = filter_id((u64)filter);
		entry->filter_count = i + 1;
		if (BPF_CORE_READ(filter, notif))
			entry->flags |= SP_REFUSED_SUPERVISED;
		filter = BPF_CORE_READ(filter, prev);
	}
	if (filter)
		entry->flags |= SP_REFUSED_MORE;
}

static __always_inline void list_ancestors(struct task_struct *task, struct sp_refused *entry)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_PARENTS; i++) {
		struct sp_ancestor *ancestor = &entry->ancestors[i];

		ancestor->tgid = BPF_CORE_READ(leader, tgid);
		if (!ancestor->tgid)
			return;
		ancestor->our_tgid = tgid_in_our_namespace(leader);
		bpf_probe_read_kernel(ancestor->comm, sizeof(ancestor->comm), &leader->comm);
		entry->ancestor_count = i + 1;
		leader = BPF_CORE_READ(leader, real_parent, group_leader);
	}
}

static __always_inline void read_cgroup(struct task_struct *task, struct sp_refused *entry)
{
	struct kernfs_node *node = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
	u32 used = 0;

#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_LEVELS; i++) {
		struct kernfs_node *parent = parent_of(node);
		const char *name;
		long length;

		/* The root has no name of its own. */
		if (!parent || used >= SP_CGROUP)
			return;
		name = BPF_CORE_READ(node, name);
		barrier_var(used);
		length = bpf_probe_read_kernel_str(&entry->cgroup[used & (SP_CGROUP - 1)], SP_NAME, name);
		if (length <= 0)
			return;
		used += length;
		entry->cgroup_len = used;
		node = parent;
	}
}

struct sp_place {
	u64 file;
	u64 ino;
	u64 offset;
	u64 ip;
};

static long found_place(struct task_struct *task, struct vm_area_struct *vma, struct sp_place *place)
{
	struct file *file = BPF_CORE_READ(vma, vm_file);

	if (!file)
		return 0;
	place->file = (u64)file;
	place->ino = BPF_CORE_READ(file, f_inode, i_ino);
	place->offset = place->ip - BPF_CORE_READ(vma, vm_start) + BPF_CORE_READ(vma, vm_pgoff) * config.page;
	return 0;
}

/* Which file the code is from. The task runs it, so it stays mapped meanwhile. */
static __always_inline void read_code(struct task_struct *task, struct sp_refused *entry)
{
	/* The instruction may be the last of its mapping. */
	struct sp_place place = {.ip = entry->ip - 1};

	entry->code_error = bpf_find_vma(task, place.ip, found_place, &place, 0);
	if (!place.file)
		return;
	entry->module = image_id(place.file, 0, (u64)BPF_CORE_READ(task, fs), BPF_CORE_READ(task, tgid));
	entry->module_ino = place.ino;
	entry->offset = place.offset + 1;
}

/*
 * Counts a call of the current task that did not run. Returns its entry where it is the first of its kind:
 * then it has what registers say, and `describe` is to do the rest. A function of its own, so that what it
 * keeps on the stack is gone by then.
 */
static __noinline struct sp_refused *enter_refused(struct task_struct *task, void *regs, s64 ret, u32 outcome)
{
	struct sp_registers registers = {};
	struct sp_refused_key key = {};
	struct sp_process_key process = {};
	struct sp_process living = {};
	struct sp_refused *entry, *blank;
	u64 now = bpf_ktime_get_ns();
	u32 zero = 0;
	long error;

	if (!is_watched(task))
		return NULL;
	if (regs)
		read_registers(task, regs, &registers);
	key.started = BPF_CORE_READ(task, group_leader, start_boottime);
	key.ip = registers.ip;
	key.filter = (u64)BPF_CORE_READ(task, seccomp.filter);
	key.ret = ret < 0 ? ret : 0;
	key.tgid = BPF_CORE_READ(task, tgid);
	key.nr = registers.nr;
	key.abi = registers.abi;
	key.outcome = outcome;
	keep_selected(&registers, &key);

	entry = bpf_map_lookup_elem(&refused, &key);
	if (entry)
		goto count;
	blank = bpf_map_lookup_elem(&blank_refused, &zero);
	if (!blank)
		return NULL;
	error = bpf_map_update_elem(&refused, &key, blank, BPF_NOEXIST);
	entry = bpf_map_lookup_elem(&refused, &key);
	if (!entry) {
		count_lost(SP_LOST_REFUSED, 1);
		return NULL;
	}
	if (error)
		goto count;
	process.started = key.started;
	process.tgid = key.tgid;
	if (bpf_map_update_elem(&processes, &process, &living, BPF_NOEXIST) &&
	    !bpf_map_lookup_elem(&processes, &process))
		count_lost(SP_LOST_ENDS, 1);
	entry->first_ns = now;
	entry->last_ns = now;
	__builtin_memcpy(entry->args, registers.args, sizeof(entry->args));
	entry->ip = registers.ip;
	entry->ret = ret;
	__sync_fetch_and_add(&entry->count, 1);
	return entry;
count:
	entry->last_ns = now;
	__sync_fetch_and_add(&entry->count, 1);
	return NULL;
}

/*
 * The id of what the current task executes. At its end it may have given up its memory already (until 6.16),
 * which the kernel then still works on, and which has its file for as long as other threads use it.
 */
static __always_inline u64 image_of(struct task_struct *task)
{
	u64 file = (u64)BPF_CORE_READ(task, mm, exe_file);

	if (!file)
		file = (u64)BPF_CORE_READ(task, active_mm, exe_file);
	return image_id(file, 0, (u64)BPF_CORE_READ(task, fs), BPF_CORE_READ(task, tgid));
}

/* Adds what is known of the current task. */
static __always_inline void describe(struct task_struct *task, struct sp_refused *entry)
{
	entry->tid = BPF_CORE_READ(task, pid);
	entry->our_tgid = tgid_in_our_namespace(BPF_CORE_READ(task, group_leader));
	bpf_probe_read_kernel(entry->comm, sizeof(entry->comm), &task->comm);
	if (BPF_CORE_READ(task, ptrace))
		entry->flags |= SP_REFUSED_TRACED;
	entry->image = image_of(task);
	list_filters(task, entry);
	list_ancestors(task, entry);
	read_cgroup(task, entry);
}

/*
 * A call of the current task that did not run. With `locates`, its code is looked for, for which the kernel
 * must have bpf_find_vma (5.17).
 */
static __always_inline int refuse(struct task_struct *task, void *regs, s64 ret, u32 outcome, bool locates)
{
	struct sp_refused *entry = enter_refused(task, regs, ret, outcome);

	if (!entry)
		return 0;
	describe(task, entry);
	if (locates && entry->ip)
		read_code(task, entry);
	entry->flags |= SP_REFUSED_READY;
	send_event(SP_EVENT_REFUSED, entry->tid, 0);
	return 0;
}

#ifdef SP_PERF
SP_READER(read_refused, struct sp_refused_key, struct sp_refused, true, true)
SP_READER(read_processes, struct sp_process_key, struct sp_process, true, true)
SP_READER(read_members, u32, u64, true, true)
#endif

#endif
