/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Which cgroups are followed or watched: the targets' own, and all below. */
#ifndef SANDPRINT_CGROUPS_H
#define SANDPRINT_CGROUPS_H

/* Most cgroups above a new one that are looked at. */
#define SP_CGROUP_LEVELS 64

/*
 * Key: the cgroup's id, which no other ever has (the inode number of its directory, on 64-bit machines).
 * Value: the number of the target that it belongs to. All that are below a target's are here, so that one
 * look-up tells whose a task is. Written by: user space, those that are there; cgroup_mkdir; cgroup_rmdir
 * takes out. When full: SP_LOST_CGROUPS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, u32);
} cgroups SEC(".maps");

/*
 * The paths of the targets' own cgroups. Written by: user space, before the programs are attached. Cannot be
 * full in the kernel.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_component_key);
	__type(value, struct sp_component);
} components SEC(".maps");

/*
 * The cgroups that are on these paths now. Key: id. Value: the node.
 * Written by: user space, those that are there; cgroup_mkdir; cgroup_rmdir takes out. When full:
 * SP_LOST_CGROUPS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, u32);
} on_path SEC(".maps");

/* The target that the current task's cgroup belongs to; 0 for none. */
static __always_inline u32 target_of_cgroup(void)
{
	u64 id = bpf_get_current_cgroup_id();
	u32 *target = bpf_map_lookup_elem(&cgroups, &id);

	return target ? *target : 0;
}

/* Other hierarchies have numbers of their own for the same things. */
static __always_inline bool is_of_cgroup2(struct cgroup *cgroup)
{
	return !BPF_CORE_READ(cgroup, root, hierarchy_id);
}

static __always_inline struct cgroup *cgroup_above(struct cgroup *cgroup)
{
	struct cgroup_subsys_state *state = BPF_CORE_READ(cgroup, self.parent);

	return state ? (void *)state - bpf_core_field_offset(struct cgroup, self) : NULL;
}

/* A new cgroup of a path that is known: the next incarnation of a target, or one that is above it. */
static __always_inline u32 target_by_path(struct cgroup *made, u64 own)
{
	struct sp_component_key key = {};
	struct cgroup *above = cgroup_above(made);
	struct sp_component *found;
	u32 *node, number;
	u64 id;

	if (!above)
		return 0;
	id = BPF_CORE_READ(above, kn, id);
	node = bpf_map_lookup_elem(&on_path, &id);
	if (!node)
		return 0;
	key.above = *node;
	/* Behind the name there are zeros, as in what user space wrote. */
	if (bpf_probe_read_kernel_str(key.name, sizeof(key.name), BPF_CORE_READ(made, kn, name)) <= 0)
		return 0;
	found = bpf_map_lookup_elem(&components, &key);
	if (!found)
		return 0;
	number = found->node;
	if (bpf_map_update_elem(&on_path, &own, &number, BPF_ANY))
		count_lost(SP_LOST_CGROUPS, 1);
	return found->target;
}

static __always_inline void enter_cgroup(u64 id, u32 target)
{
	if (bpf_map_update_elem(&cgroups, &id, &target, BPF_ANY))
		count_lost(SP_LOST_CGROUPS, 1);
}

/*
 * Runs in whoever makes the directory, which is not to be seen or entered yet. Not its parent alone is looked
 * at: user space may not have come to that one. It runs with interrupts off (TRACE_CGROUP_PATH), so it cannot
 * be skipped, with either flavour.
 */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *made, const char *path)
{
	struct cgroup *above = made;
	u64 own = BPF_CORE_READ(made, kn, id);
	u32 number;

	if (!is_of_cgroup2(made))
		return 0;
	number = target_by_path(made, own);
	if (number) {
		enter_cgroup(own, number);
		return 0;
	}
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_CGROUP_LEVELS; i++) {
		u32 *target;
		u64 id;

		above = cgroup_above(above);
		if (!above)
			return 0;
		id = BPF_CORE_READ(above, kn, id);
		target = bpf_map_lookup_elem(&cgroups, &id);
		if (target) {
			enter_cgroup(own, *target);
			return 0;
		}
	}
	/* Whatever is deeper may belong to a target. */
	count_lost(SP_LOST_CGROUPS, 1);
	return 0;
}

/* Nobody is in it any more. */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_rmdir, struct cgroup *gone, const char *path)
{
	u64 id = BPF_CORE_READ(gone, kn, id);

	if (is_of_cgroup2(gone)) {
		bpf_map_delete_elem(&cgroups, &id);
		bpf_map_delete_elem(&on_path, &id);
	}
	return 0;
}

/* Comes before the first task is in, or after the last one left; for each level that changes. */
SEC("tp_btf/cgroup_notify_populated")
int BPF_PROG(cgroup_populated, struct cgroup *changed, const char *path, int is_populated)
{
	u64 id = BPF_CORE_READ(changed, kn, id);

	if (is_populated && is_of_cgroup2(changed) && bpf_map_lookup_elem(&cgroups, &id))
		__sync_fetch_and_add(&state.populated, 1);
	return 0;
}

#endif
