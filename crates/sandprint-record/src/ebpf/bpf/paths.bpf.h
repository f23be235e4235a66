/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Paths: from a file to the root of whoever looks, and the hashes of paths. */
#ifndef SANDPRINT_PATHS_H
#define SANDPRINT_PATHS_H

/* Bytes of a string that are hashed in one step. */
#define SP_HASH_STEP 128
/* Steps that a function takes which is verified once. */
#define SP_STEPS 8

static __always_inline u64 mixed(u64 hash, u64 word)
{
	return (hash ^ word) * 0x9E3779B97F4A7C15ULL + (hash >> 29);
}

/*
 * Hashes the next part of a string. The lowest bit of the hash says whether the string goes on. A function of
 * its own is verified once, and needs its stack only while it runs; a loop would have the verifier prove each
 * index.
 */
__noinline u64 hash_part(u64 address, u64 hash)
{
	u64 words[SP_HASH_STEP / 8] = {};
	long length = bpf_probe_read_kernel_str(words, sizeof(words), (void *)address);

	if (length <= 0)
		return hash & ~1ULL;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < SP_HASH_STEP / 8; i++)
		hash = mixed(hash, words[i]);
	return length == SP_HASH_STEP ? hash | 1 : hash & ~1ULL;
}

/*
 * Around a call of a function loops are not unrolled: the check of the stack's depth walks each chain of call
 * sites, and unrolled ones in one another are a product (check_max_stack_depth).
 */

/*
 * Hashes the first bytes, at most SP_HASH_STEP; 0 where they cannot be read.
 */
__noinline u64 hash_step(u64 address, u32 bytes, u64 hash)
{
	u64 words[SP_HASH_STEP / 8] = {};
	u32 size = SP_HASH_STEP;

	if (bytes < SP_HASH_STEP) {
		/* clang knows that it is less, and the verifier does not. */
		barrier_var(bytes);
		size = bytes & (SP_HASH_STEP - 1);
	}
	if (bpf_probe_read_kernel(words, size, (void *)address))
		return 0;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < SP_HASH_STEP / 8; i++)
		hash = (hash ^ words[i]) * 0x9E3779B97F4A7C15ULL + (hash >> 29);
	return hash | 1;
}

/* Each read costs a call of a helper, and a path has many: what lies side by side is read in one. */

/* Whether two fields lie side by side: known when the program is loaded. */
#define SP_ADJOIN(type, first, second, size)                                                                 \
	(bpf_core_field_offset(type, second) == bpf_core_field_offset(type, first) + (size))

/* A place as (dentry, mount), which are 0 for none. */
static __always_inline void read_place(const struct path *path, u64 *place)
{
	u64 words[2] = {};

	if (SP_ADJOIN(struct path, mnt, dentry, 8)) {
		bpf_probe_read_kernel(words, sizeof(words),
				      (void *)path + bpf_core_field_offset(struct path, mnt));
		place[0] = words[1];
		place[1] = words[0];
	} else {
		place[0] = (u64)BPF_CORE_READ(path, dentry);
		place[1] = (u64)BPF_CORE_READ(path, mnt);
	}
}

#define SP_ROOT_OF(fs) ((void *)(fs) + bpf_core_field_offset(struct fs_struct, root))
#define SP_PWD_OF(fs) ((void *)(fs) + bpf_core_field_offset(struct fs_struct, pwd))
#define SP_PLACE_OF(file) ((void *)(file) + bpf_core_field_offset(struct file, f_path))

/* What a directory entry is called, and in which directory. */
struct sp_entry_name {
	struct dentry *parent;
	u64 hash_len;
	const unsigned char *name;
};

static __always_inline void read_name(const struct dentry *dentry, struct sp_entry_name *to)
{
	if (SP_ADJOIN(struct dentry, d_parent, d_name.hash_len, 8) &&
	    SP_ADJOIN(struct dentry, d_parent, d_name.name, 16)) {
		if (!bpf_probe_read_kernel(to, sizeof(*to),
					   (void *)dentry + bpf_core_field_offset(struct dentry, d_parent)))
			return;
	}
	to->parent = BPF_CORE_READ(dentry, d_parent);
	to->hash_len = BPF_CORE_READ(dentry, d_name.hash_len);
	to->name = BPF_CORE_READ(dentry, d_name.name);
}

/* Begins a walk from there to the root of `fs`. */
static __always_inline void begin_walk(struct sp_path *walk, u64 dentry, u64 mnt, struct fs_struct *fs)
{
	struct vfsmount *mount = (void *)mnt;
	u64 root[2];

	read_place(SP_ROOT_OF(fs), root);
	walk->dentry = dentry;
	walk->mnt = mnt;
	walk->root_dentry = root[0];
	walk->root_mnt = root[1];
	walk->mnt_root = (u64)BPF_CORE_READ(mount, mnt_root);
	walk->len = 0;
	walk->flags = SP_PATH_KNOWN;
}

/*
 * Says of a walk that was begun whether what it begins at has a name. The root of a file system is never
 * among the names of a directory (d_unlinked in linux/dcache.h).
 */
static __always_inline void note_unlinked(struct sp_path *walk)
{
	struct dentry *dentry = (void *)walk->dentry;

	if (walk->dentry != walk->mnt_root && !BPF_CORE_READ(dentry, d_hash.pprev))
		walk->flags |= SP_PATH_UNLINKED;
}

/* The mount that the walk is in. */
static __always_inline struct mount *mount_of(const struct sp_path *walk)
{
	return (void *)walk->mnt - bpf_core_field_offset(struct mount, mnt);
}

/*
 * Goes from the root of a mount to where that is mounted. Returns whether the walk is over: this one is
 * mounted nowhere, or no longer.
 */
static __always_inline bool cross_mount(struct sp_path *walk)
{
	struct mount *mount = mount_of(walk);
	struct mount *above = BPF_CORE_READ(mount, mnt_parent);

	if (above == mount || !above) {
		walk->flags |= SP_PATH_OUTSIDE;
		return true;
	}
	walk->dentry = (u64)BPF_CORE_READ(mount, mnt_mountpoint);
	walk->mnt = (u64)above + bpf_core_field_offset(struct mount, mnt);
	walk->mnt_root = (u64)BPF_CORE_READ(above, mnt.mnt_root);
	return false;
}

static __always_inline bool is_at_root(const struct sp_path *walk)
{
	return walk->dentry == walk->root_dentry && walk->mnt == walk->root_mnt;
}

/*
 * Takes one step from the leaf to the root: writes a component, or crosses a mount. Returns whether the
 * walk is over. Its state lives in a map's value, so that the verifier sees unknown numbers and not
 * one more state for each step.
 */
static __always_inline int step(struct sp_path *walk)
{
	struct dentry *dentry = (void *)walk->dentry;
	u32 used = walk->len, sequence;
	struct sp_entry_name is;
	long length;

	if (is_at_root(walk))
		return 1;
	sequence = BPF_CORE_READ(dentry, d_seq.seqcount.sequence);
	read_name(dentry, &is);
	if (dentry == is.parent || walk->dentry == walk->mnt_root) {
		if (!cross_mount(walk))
			return 0;
		/* A file that was never in a directory: a memfd. Its dentry is a root with a name. */
		if (used)
			return 1;
	}
	if (used >= SP_PATH)
		goto cut;
	/* The mask is for verifiers before 6.2, which forget what was compared once it is on the stack. */
	barrier_var(used);
	length = bpf_probe_read_kernel_str(&walk->text[used & (SP_PATH - 1)], SP_NAME, is.name);
	if (length <= 0)
		goto cut;
	/* Short names are copied in place when a file is renamed (copy_name in fs/dcache.c). */
	if (sequence & 1 || sequence != BPF_CORE_READ(dentry, d_seq.seqcount.sequence))
		walk->flags |= SP_PATH_TORN;
	walk->len = used + length;
	walk->dentry = (u64)is.parent;
	return dentry == is.parent;
cut:
	walk->flags |= SP_PATH_CUT;
	return 1;
}

/*
 * Takes one step, and adds what it passes to a hash. The chain of directories tells paths apart, also those
 * that have become others since a directory above was renamed: a dentry alone would not.
 */
static __always_inline int chain_step(struct sp_path *walk, u64 *hash)
{
	struct dentry *dentry = (void *)walk->dentry;
	struct sp_entry_name is;

	if (is_at_root(walk))
		return 1;
	read_name(dentry, &is);
	*hash = mixed(*hash, (u64)dentry);
	if (dentry == is.parent || walk->dentry == walk->mnt_root)
		return cross_mount(walk);
	*hash = mixed(*hash, is.hash_len);
	walk->dentry = (u64)is.parent;
	return 0;
}

#endif
