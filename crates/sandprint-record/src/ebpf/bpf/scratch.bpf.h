/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * One use of a file or a socket: what is gathered of it, what tells it apart, and how it leaves the kernel,
 * each once. Its state lies in a map's value, one for each CPU and program, since no stack has room for a
 * path; so it is for programs that are not preempted by one another.
 */
#ifndef SANDPRINT_SCRATCH_H
#define SANDPRINT_SCRATCH_H

/*
 * Key: what tells a use apart. Value: not used. Written by: send_use. When full: SP_LOST_FILES,
 * SP_LOST_SOCKETS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_use_key);
	__type(value, u8);
} known_uses SEC(".maps");

/* The same of sockets, whose addresses may be as many as there are peers, so that files have room whatever
 * these do. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_use_key);
	__type(value, u8);
} known_sockets SEC(".maps");

/*
 * The same of what tells names. Answers differ in their times, so in the long run it is full: then they are
 * told each time.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_use_key);
	__type(value, u8);
} known_names SEC(".maps");

/*
 * Payload: struct sp_use, and the bytes that it says. Written by: send_use. When full: SP_LOST_FILES,
 * SP_LOST_SOCKETS, SP_LOST_NAMES.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} uses SEC(".maps");

/* Most path components and mounts of a use that are followed. */
#define SP_USE_DEPTH 512

/* The reader is woken when so much waits for it, not for each record. */
#define SP_WAKE (1 << 20)

/* Most bytes of an address (struct sockaddr_storage). */
#define SP_ADDRESS 128

struct sp_scratch {
	struct sp_use use;
	/* found, base, text */
	char data[3 * (SP_PATH + SP_NAME)];
	u32 filled;
	u32 pad;
	struct sp_path walk;
	char text[SP_PATH];
	/* The call. */
	u64 operands;
	u64 args[6];
	u64 hash;
	u64 flags;
	long result;
	u64 inode; /* of what was found; 0 for none */
	/* What is walked, as (dentry, mount); 0 for nothing. */
	u64 found[2];
	u64 base[2];
};

#define SP_SCRATCH_CALL 0
#define SP_SCRATCH_EXEC 1

/* Key: SP_SCRATCH_*. Written by: the program of that number. Cannot be full. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct sp_scratch);
} scratch SEC(".maps");

static __always_inline struct sp_scratch *scratch_of(u64 which)
{
	u32 key = which;

	return bpf_map_lookup_elem(&scratch, &key);
}

/* One step of the walk in the scratch. A function of its own is verified once, as those below. */
__noinline int use_step(u64 which)
{
	struct sp_scratch *s = scratch_of(which);

	return s ? step(&s->walk) : 1;
}

__noinline int use_steps(u64 which)
{
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_STEPS; i++)
		if (use_step(which))
			return 1;
	return 0;
}

__noinline int use_hash_step(u64 which)
{
	struct sp_scratch *s = scratch_of(which);

	return s ? chain_step(&s->walk, &s->hash) : 1;
}

__noinline int use_hash_steps(u64 which)
{
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_STEPS; i++)
		if (use_hash_step(which))
			return 1;
	return 0;
}

static __always_inline struct fs_struct *current_fs(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, fs);
}

/* Begins a walk from there to the root; past it where that has just become it. */
static __always_inline void begin_walk_of(struct sp_scratch *s, u64 dentry, u64 mnt)
{
	begin_walk(&s->walk, dentry, mnt, current_fs());
	if (s->operands & SP_OPERANDS_CHANGES_ROOT && !s->use.error)
		s->walk.root_dentry = 0;
}

/* Adds the chain of directories from there to the hash. */
__noinline int hash_chain(u64 which, u64 dentry, u64 mnt)
{
	struct sp_scratch *s = scratch_of(which);

	if (!s)
		return 0;
	begin_walk_of(s, dentry, mnt);
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_USE_DEPTH / SP_STEPS; i++)
		if (use_hash_steps(which))
			return 0;
	return 0;
}

/* Adds the string that was read to the hash. */
__noinline int hash_text(u64 which)
{
	struct sp_scratch *s = scratch_of(which);
	u64 hash, address;
	char *text;

	if (!s)
		return 0;
	hash = s->hash;
	/* As a number, which the verifier wants told apart from addresses that it knows. */
	text = s->text;
	bpf_probe_read_kernel(&address, sizeof(address), &text);
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_PATH / (SP_HASH_STEP - 1) + 1; i++) {
		hash = hash_part(address + i * (SP_HASH_STEP - 1), hash);
		if (!(hash & 1))
			break;
	}
	s->hash = hash;
	return 0;
}

/* Adds the path from there to the record. Gives its length, and its flags in the upper half. */
__noinline u64 append_path(u64 which, u64 dentry, u64 mnt)
{
	struct sp_scratch *s = scratch_of(which);
	u64 length, at;

	if (!s)
		return 0;
	begin_walk_of(s, dentry, mnt);
	note_unlinked(&s->walk);
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_USE_DEPTH / SP_STEPS; i++)
		if (use_steps(which))
			goto over;
	s->walk.flags |= SP_PATH_CUT;
over:
	length = s->walk.len;
	at = s->filled;
	barrier_var(length);
	barrier_var(at);
	if (length > SP_PATH + SP_NAME || at > SP_PATH + SP_NAME)
		return 0;
	bpf_probe_read_kernel(&s->data[at], length, s->walk.text);
	s->filled = at + length;
	return length | (u64)s->walk.flags << 32;
}

/* The file that a descriptor of the current task is of; NULL for none. */
static __always_inline struct file *file_at(u32 descriptor)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct {
		u64 max_fds; /* in the lower half */
		struct file **fd;
	} open = {};
	struct file *file = NULL;

	if (SP_ADJOIN(struct fdtable, max_fds, fd, 8)) {
		bpf_probe_read_kernel(&open, sizeof(open),
				      (void *)table + bpf_core_field_offset(struct fdtable, max_fds));
	} else {
		open.max_fds = BPF_CORE_READ(table, max_fds);
		open.fd = BPF_CORE_READ(table, fd);
	}
	if (descriptor >= (u32)open.max_fds)
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), open.fd + descriptor);
	return file;
}

static __always_inline void count_lost_use(u32 kind)
{
	if (kind > SP_USE_SOCKET)
		count_lost(SP_LOST_NAMES, 1);
	else
		count_lost(kind == SP_USE_SOCKET ? SP_LOST_SOCKETS : SP_LOST_FILES, 1);
}

/* Says of a use that is sent whose it is, and what was found: what does not tell it apart from others. */
static __always_inline void describe_use(struct sp_scratch *s)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct inode *inode = (void *)s->inode;

	s->use.tgid = bpf_get_current_pid_tgid() >> 32;
	s->use.mnt_ns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	s->use.root_ino = BPF_CORE_READ(task, fs, root.dentry, d_inode, i_ino);
	if (inode) {
		s->use.mode = BPF_CORE_READ(inode, i_mode);
		s->use.ino = BPF_CORE_READ(inode, i_ino);
		s->use.magic = BPF_CORE_READ(inode, i_sb, s_magic);
	}
}

/* Remembers a key. Gives -EEXIST where it was known, and -E2BIG where the map is full. */
#define SP_KNOW(map, key)                                                                                    \
	(bpf_map_lookup_elem(map, key) ? -EEXIST : bpf_map_update_elem(map, key, &one, BPF_NOEXIST))

/*
 * Sends the use that the scratch holds, unless it was sent before: `call` tells it apart together with the
 * hash. The text is in the scratch, and `text_length` bytes long.
 */
__noinline int send_use(u64 which, u64 call, u64 text_length)
{
	struct sp_scratch *s = scratch_of(which);
	struct sp_use_key key = {};
	u64 length, flags, at;
	u8 one = 1;
	long error;

	if (!s)
		return 0;
	key.image = s->use.image;
	key.call = call;
	key.hash = s->hash;
	/* Who is first sends it. What there is no memory for just now is sent again. */
	if (s->use.kind > SP_USE_SOCKET)
		error = SP_KNOW(&known_names, &key);
	else if (s->use.kind == SP_USE_SOCKET)
		error = SP_KNOW(&known_sockets, &key);
	else
		error = SP_KNOW(&known_uses, &key);
	if (error == -EEXIST)
		return 0;
	if (error == -E2BIG && s->use.kind <= SP_USE_SOCKET) {
		count_lost_use(s->use.kind);
		return 0;
	}

	describe_use(s);
	s->filled = 0;
	s->use.found_len = 0;
	s->use.base_len = 0;
	if (s->found[0]) {
		length = append_path(which, s->found[0], s->found[1]);
		s->use.found_len = length;
		s->use.found_flags = length >> 32;
	}
	if (s->base[0]) {
		length = append_path(which, s->base[0], s->base[1]);
		s->use.base_len = length;
		s->use.base_flags = length >> 32;
	}
	at = s->filled;
	length = text_length;
	barrier_var(at);
	barrier_var(length);
	if (length > SP_PATH || at > 2 * (SP_PATH + SP_NAME))
		return 0;
	bpf_probe_read_kernel(&s->data[at], length, s->text);
	s->use.text_len = length;
	length += at;
	barrier_var(length);
	if (length > sizeof(s->data))
		return 0;
	flags = bpf_ringbuf_query(&uses, BPF_RB_AVAIL_DATA) > SP_WAKE ? BPF_RB_FORCE_WAKEUP
								      : BPF_RB_NO_WAKEUP;
	if (bpf_ringbuf_output(&uses, &s->use, sizeof(s->use) + length, flags)) {
		/* It may be tried again. */
		if (s->use.kind > SP_USE_SOCKET)
			bpf_map_delete_elem(&known_names, &key);
		else if (s->use.kind == SP_USE_SOCKET)
			bpf_map_delete_elem(&known_sockets, &key);
		else
			bpf_map_delete_elem(&known_uses, &key);
		count_lost_use(s->use.kind);
	}
	return 0;
}

/* What tells calls apart beside the hash. Errors have 12 bits, as many as there are (MAX_ERRNO). */
static __always_inline u64 call_word(const struct sp_use *use)
{
	return (u64)use->target << 32 | (u64)use->error << 20 | (u64)use->made << 19 | (u64)use->kind << 16 |
	       (u64)use->abi << 12 | (use->nr & 0xfff);
}

/* Puts the file that a descriptor is of into the use. */
static __always_inline bool find_file(struct sp_scratch *s, struct file *file)
{
	if (!file)
		return false;
	s->inode = (u64)BPF_CORE_READ(file, f_inode);
	read_place(SP_PLACE_OF(file), s->found);
	s->use.made = (BPF_CORE_READ(file, f_mode) & FMODE_CREATED) != 0;
	return true;
}

/* Begins a use of the call that ends, with nothing found yet. */
static __always_inline void begin_use(struct sp_scratch *s, u32 kind)
{
	s->use.kind = kind;
	s->use.mode = 0;
	s->use.ino = 0;
	s->use.magic = 0;
	s->use.made = 0;
	s->use.found_flags = 0;
	s->use.base_flags = 0;
	s->inode = 0;
	s->found[0] = 0;
	s->base[0] = 0;
	s->hash = config.hash_seed;
}

/* Sends a use of files, once what it is about is known. */
static __always_inline int finish_use(struct sp_scratch *s, u64 which, u64 text_length)
{
	if (s->found[0])
		hash_chain(which, s->found[0], s->found[1]);
	if (s->base[0])
		hash_chain(which, s->base[0], s->base[1]);
	s->hash = mixed(s->hash, s->flags);
	return send_use(which, call_word(&s->use), text_length);
}

#endif
