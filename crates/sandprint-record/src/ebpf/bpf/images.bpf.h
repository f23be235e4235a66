/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Which program a task runs: a 64-bit id for each distinct executable, and its path. */
#ifndef SANDPRINT_IMAGES_H
#define SANDPRINT_IMAGES_H

/* Most distinct images kept apart. */
#define SP_IMAGES 4096
/* Bytes of a script's path that are hashed in one step, and how many steps. */
#define SP_HASH_STEP 128
#define SP_HASH_STEPS 8

/*
 * Key: what identifies the executable. Value: its id, random and never 0.
 * Written by: image_id, once each. When full: SP_LOST_IMAGES, and the calls count for SP_IMAGE_UNKNOWN.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_IMAGES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_image_key);
	__type(value, u64);
} images SEC(".maps");

/*
 * Key: the image's id. Value: its description, filled in place by the program that created the id.
 * When full: the image has an id and no path.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_IMAGES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct sp_image);
} image_info SEC(".maps");

/* One zeroed struct sp_image, from which new ones are made. Nobody writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sp_image);
} blank_image SEC(".maps");

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
		hash = (hash ^ words[i]) * 0x9E3779B97F4A7C15ULL + (hash >> 29);
	return length == SP_HASH_STEP ? hash | 1 : hash & ~1ULL;
}

static __always_inline u64 hash_script(const char *script)
{
	u64 hash = config.hash_seed;

#pragma clang loop unroll(full)
	for (u32 step = 0; step < SP_HASH_STEPS; step++) {
		hash = hash_part((u64)script + step * (SP_HASH_STEP - 1), hash);
		if (!(hash & 1))
			break;
	}
	return hash;
}

/*
 * Takes one step from the leaf to the root: writes a component, or crosses a mount. Returns whether the
 * walk is over. Its state lives in the map's value, so that the verifier sees unknown numbers and not
 * one more state for each step; a function of its own is verified once.
 */
__noinline int path_step(u64 id)
{
	struct sp_image *image = bpf_map_lookup_elem(&image_info, &id);
	u32 mnt_offset = bpf_core_field_offset(struct mount, mnt);
	struct dentry *dentry, *parent;
	struct vfsmount *mnt;
	struct mount *mount;
	const unsigned char *name;
	u32 used;
	long length;

	if (!image)
		return 1;
	dentry = (void *)image->dentry;
	mnt = (void *)image->mnt;
	used = image->path_len;
	if ((u64)dentry == image->root_dentry && (u64)mnt == image->root_mnt)
		return 1;
	parent = BPF_CORE_READ(dentry, d_parent);
	mount = (void *)mnt - mnt_offset;
	if (dentry == parent || dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);

		if (above == mount || !above) {
			/* A file that was never in a directory: a memfd. Its dentry is a root with a name. */
			if (!used)
				goto last;
			return 1;
		}
		image->dentry = (u64)BPF_CORE_READ(mount, mnt_mountpoint);
		image->mnt = (u64)above + mnt_offset;
		return 0;
	}
	if (used >= SP_PATH)
		goto cut;
last:
	name = BPF_CORE_READ(dentry, d_name.name);
	/* The mask is for verifiers before 6.2, which forget what was compared once it is on the stack. */
	barrier_var(used);
	length = bpf_probe_read_kernel_str(&image->path[used & (SP_PATH - 1)], SP_NAME, name);
	if (length <= 0)
		goto cut;
	image->path_len = used + length;
	image->dentry = (u64)parent;
	return dentry == parent;
cut:
	image->flags |= SP_IMAGE_CUT;
	return 1;
}

/* Takes that many steps, or fewer to the end. Unrolled, as hash_part is. */
#define SP_STEPS 8

__noinline int path_steps(u64 id)
{
#pragma clang loop unroll(full)
	for (u32 i = 0; i < SP_STEPS; i++)
		if (path_step(id))
			return 1;
	return 0;
}

/* Writes the path's components, leaf first, as `fs` shows them. */
static __always_inline void read_path(struct fs_struct *fs, struct file *file, struct sp_image *image, u64 id)
{
	image->dentry = (u64)BPF_CORE_READ(file, f_path.dentry);
	image->mnt = (u64)BPF_CORE_READ(file, f_path.mnt);
	image->root_dentry = (u64)BPF_CORE_READ(fs, root.dentry);
	image->root_mnt = (u64)BPF_CORE_READ(fs, root.mnt);
#pragma clang loop unroll(full)
	for (u32 i = 0; i < SP_DEPTH / SP_STEPS; i++)
		if (path_steps(id))
			return;
	image->flags |= SP_IMAGE_CUT;
}

/* What is known of an image whose id was just made. */
static __always_inline void describe_image(struct file *file, const char *script, struct fs_struct *fs,
					   u32 tgid, const struct sp_image_key *key, u64 id)
{
	u32 zero = 0;
	struct sp_image *blank = bpf_map_lookup_elem(&blank_image, &zero);
	struct sp_image *image;
	long length;

	if (!blank || bpf_map_update_elem(&image_info, &id, blank, BPF_NOEXIST))
		return;
	image = bpf_map_lookup_elem(&image_info, &id);
	if (!image)
		return;
	image->key = *key;
	image->tgid = tgid;
	read_path(fs, file, image, id);
	if (script) {
		length = bpf_probe_read_kernel_str(image->script, sizeof(image->script), script);
		if (length > 0)
			image->script_len = length;
		if (length == sizeof(image->script))
			image->flags |= SP_IMAGE_CUT;
	}
	send_event(SP_EVENT_IMAGE, tgid, id);
}

/*
 * The id of the executable in `file`, run for the script of that path (0 for none) by a process whose
 * root and tgid are given; SP_IMAGE_UNKNOWN where ids ran out. Addresses are passed as numbers, so that the
 * function is verified once and not for each caller.
 */
__noinline u64 image_id(u64 file_address, u64 script_address, u64 fs_address, u32 tgid)
{
	struct file *file = (void *)file_address;
	const char *script = (void *)script_address;
	struct sp_image_key key = {};
	struct inode *inode;
	u64 *known;
	u64 id;

	if (!file)
		return SP_IMAGE_UNKNOWN;
	inode = BPF_CORE_READ(file, f_inode);
	key.ino = BPF_CORE_READ(inode, i_ino);
	key.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	read_ctime(inode, &key.ctime_s, &key.ctime_ns);
	if (script)
		key.script_hash = hash_script(script);

	known = bpf_map_lookup_elem(&images, &key);
	if (known)
		return *known;
	id = ((u64)bpf_get_prandom_u32() << 32) | bpf_get_prandom_u32() | 1;
	if (!bpf_map_update_elem(&images, &key, &id, BPF_NOEXIST)) {
		describe_image(file, script, (void *)fs_address, tgid, &key, id);
		return id;
	}
	/* Either another CPU was first, or the map is full. */
	known = bpf_map_lookup_elem(&images, &key);
	if (known)
		return *known;
	count_lost(SP_LOST_IMAGES, 1);
	return SP_IMAGE_UNKNOWN;
}

/* The id of what a running task executes. */
static __always_inline u64 running_image(struct task_struct *task)
{
	return image_id((u64)BPF_CORE_READ(task, mm, exe_file), 0, (u64)BPF_CORE_READ(task, fs),
			BPF_CORE_READ(task, tgid));
}

#ifdef SP_PERF
/* Only the image that user space asks for. */
SP_READER(read_image, u64, struct sp_image, false, *key == control.image)
#endif

#endif
