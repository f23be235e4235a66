/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Which program a task runs: a 64-bit id for each distinct executable, and its path. */
#ifndef SANDPRINT_IMAGES_H
#define SANDPRINT_IMAGES_H

/* Most distinct images kept apart. */
#define SP_IMAGES 4096
/* How many parts of a script's path are hashed. */
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

static __always_inline u64 hash_script(const char *script)
{
	u64 hash = config.hash_seed;

#pragma clang loop unroll(disable)
	for (u32 step = 0; step < SP_HASH_STEPS; step++) {
		hash = hash_part((u64)script + step * (SP_HASH_STEP - 1), hash);
		if (!(hash & 1))
			break;
	}
	return hash;
}

/* One step of the walk that an image keeps. A function of its own is verified once. */
__noinline int image_step(u64 id)
{
	struct sp_image *image = bpf_map_lookup_elem(&image_info, &id);

	return image ? step(&image->path) : 1;
}

/* Takes that many steps, or fewer to the end. */
__noinline int image_steps(u64 id)
{
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_STEPS; i++)
		if (image_step(id))
			return 1;
	return 0;
}

/* Writes the path's components, leaf first, as `fs` shows them. */
static __always_inline void read_path(struct fs_struct *fs, struct file *file, struct sp_image *image, u64 id)
{
	u64 place[2];

	read_place(SP_PLACE_OF(file), place);
	begin_walk(&image->path, place[0], place[1], fs);
	note_unlinked(&image->path);
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_DEPTH / SP_STEPS; i++)
		if (image_steps(id))
			return;
	image->path.flags |= SP_PATH_CUT;
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
			image->path.flags |= SP_PATH_CUT;
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
