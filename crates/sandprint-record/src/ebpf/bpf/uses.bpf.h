/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What calls have to do with files and sockets: only with config.details.
 *
 * All is read when a call ends, and not when it begins: what the kernel has just read of the program's memory
 * is there to be read, and what was opened has its path.
 */
#ifndef SANDPRINT_USES_H
#define SANDPRINT_USES_H

/* Most messages of one call that the kernel sends (UIO_MAXIOV, linux/uio.h). */
#define SP_MESSAGES 1024
#define SP_MESSAGE_ROW 16

/* What a path begins at that is relative, or begins at the root. */
static __always_inline bool find_base(struct sp_scratch *s, u32 directory)
{
	struct fs_struct *fs = current_fs();
	struct file *file;
	u64 root[2];

	if (s->text[0] == '/' && !(s->operands & SP_OPERANDS_MEMORY && (s->flags >> 32) & RESOLVE_IN_ROOT)) {
		/* Nothing to be walked, but another root makes another file of it. */
		read_place(SP_ROOT_OF(fs), root);
		s->hash = mixed(s->hash, root[0]);
		s->hash = mixed(s->hash, root[1]);
		return true;
	}
	if (directory > 5 || (s32)s->args[directory] == AT_FDCWD) {
		read_place(SP_PWD_OF(fs), s->base);
		return true;
	}
	file = file_at(s->args[directory]);
	if (!file)
		return false;
	read_place(SP_PLACE_OF(file), s->base);
	return true;
}

/* A path of the call that ends: the first, or the second. */
__noinline int use_path(u64 second)
{
	struct sp_scratch *s = scratch_of(SP_SCRATCH_CALL);
	u32 directory, path;
	u64 address;
	long length;

	if (!s)
		return 0;
	directory = SP_OPERANDS_DIRECTORY(s->operands, second);
	path = SP_OPERANDS_PATH(s->operands, second);
	if (path > 5)
		return 0;
	begin_use(s, second ? SP_USE_SECOND_PATH : SP_USE_PATH);
	address = s->args[path];
	length = address ? bpf_probe_read_user_str(s->text, SP_PATH, (void *)address) : 1;
	if (length <= 0) {
		/* Where the kernel could not read it either, there was no path. */
		if (s->use.error != EFAULT)
			count_lost(SP_LOST_FILES, 1);
		return 0;
	}
	length--;
	if (!length) {
		s->text[0] = 0;
		if (s->operands & SP_OPERANDS_SKIPS_EMPTY)
			return 0;
	}
	if (!s->use.error && !second) {
		struct fs_struct *fs = current_fs();

		if (s->operands & SP_OPERANDS_OPENS) {
			find_file(s, file_at(s->result));
		} else if (s->operands & SP_OPERANDS_MOVES) {
			read_place(SP_PWD_OF(fs), s->found);
		} else if (s->operands & SP_OPERANDS_CHANGES_ROOT && s->text[0] != '/' &&
			   SP_OPERANDS_PATH(s->operands, true) > 5) {
			/* chroot: of what was relative, this alone says where it was. */
			read_place(SP_ROOT_OF(fs), s->found);
		}
	}
	/* What was relative to another directory or root than there is now is kept as it was written. */
	if (s->use.error || !(s->operands & (SP_OPERANDS_MOVES | SP_OPERANDS_CHANGES_ROOT)))
		find_base(s, directory);
	if (length)
		hash_text(SP_SCRATCH_CALL);
	return finish_use(s, SP_SCRATCH_CALL, length);
}

/* A file that the call that ends has opened without a path. */
__noinline int use_opened(void)
{
	struct sp_scratch *s = scratch_of(SP_SCRATCH_CALL);

	if (!s)
		return 0;
	begin_use(s, SP_USE_PATH);
	if (!find_file(s, file_at(s->result)))
		return 0;
	return finish_use(s, SP_SCRATCH_CALL, 0);
}

/* A file that the call that ends has to do with by its descriptor. */
__noinline int use_descriptor(u64 argument)
{
	struct sp_scratch *s = scratch_of(SP_SCRATCH_CALL);
	struct inode *inode;
	u32 kind;

	if (!s || argument > 5)
		return 0;
	if (s->operands & SP_OPERANDS_MAPS && (!(s->args[2] & PROT_EXEC) || s->args[3] & MAP_ANONYMOUS))
		return 0;
	begin_use(s, SP_USE_DESCRIPTOR);
	if (!find_file(s, file_at(s->args[argument])))
		return 0;
	inode = (void *)s->inode;
	kind = BPF_CORE_READ(inode, i_mode) & S_IFMT;
	if (s->operands & SP_OPERANDS_DEVICES && kind != S_IFCHR && kind != S_IFBLK)
		return 0;
	s->use.made = 0;
	return finish_use(s, SP_SCRATCH_CALL, 0);
}

/*
 * Where the address of a message is (struct msghdr, linux/socket.h): its place, and its length. The message
 * is one of several: struct mmsghdr.
 */
static __always_inline u64 address_in_message(u64 messages, bool compat, u32 nth, u32 *length)
{
	u64 message = messages + nth * (compat ? 32 : 64);
	u64 address = 0;

	if (compat) {
		u32 words[2] = {};

		bpf_probe_read_user(words, sizeof(words), (void *)message);
		*length = words[1];
		return words[0];
	}
	bpf_probe_read_user(&address, sizeof(address), (void *)message);
	bpf_probe_read_user(length, sizeof(*length), (void *)(message + 8));
	return address;
}

/* Families of addresses (linux/socket.h). */
#define SP_UNIX 1
#define SP_INET 2
#define SP_INET6 10

/*
 * Takes note of what may tell names from now on: somebody asks a resolver, at port 53, or has a stream, which
 * may lead to a proxy. The address is in the scratch, and has so many bytes.
 */
static __always_inline void see_peer(const struct sp_scratch *s, struct sock *sock, u64 bytes)
{
	u16 port;

	if (!bytes || (s->use.error && s->use.error != EINPROGRESS && s->use.error != EINTR))
		return;
	if (s->use.family == SP_UNIX) {
		if (s->use.mode == 1 && s->operands & SP_OPERANDS_CONNECTS)
			state.has_streams = 1;
		return;
	}
	if (s->use.family != SP_INET && s->use.family != SP_INET6)
		return;
	port = BPF_CORE_READ(sock, __sk_common.skc_dport);
	/* bind(2) gives no peer. */
	if (port && s->use.mode == 1)
		state.has_streams = 1;
	if ((port ? port : *(u16 *)&s->text[2]) == 0x3500)
		state.asks_names = 1;
}

/* An address that the call that ends gives to a socket; or, with none, that it makes one or has it listen. */
__noinline int use_socket(u64 argument, u64 message)
{
	struct sp_scratch *s = scratch_of(SP_SCRATCH_CALL);
	u32 at, length = 0;
	u64 bytes = 0;
	struct socket *socket;
	struct file *file;
	struct sock *sock;
	u64 address = 0;

	if (!s)
		return 0;
	begin_use(s, SP_USE_SOCKET);
	__builtin_memset(s->text, 0, SP_ADDRESS);
	at = SP_OPERANDS_ADDRESS(s->operands);
	if (at <= 5) {
		address = s->args[at];
		at = SP_OPERANDS_LENGTH(s->operands);
		if (at <= 5)
			length = s->args[at];
		else
			address = address_in_message(address, s->use.abi != SP_ABI_NATIVE, message, &length);
		if (!address || !length)
			return 0;
		bytes = length > SP_ADDRESS ? SP_ADDRESS : length;
		barrier_var(bytes);
		if (bytes > SP_ADDRESS)
			return 0;
		if (bpf_probe_read_user(s->text, bytes, (void *)address)) {
			if (s->use.error != EFAULT)
				count_lost(SP_LOST_SOCKETS, 1);
			return 0;
		}
	}
	if (argument <= 5) {
		file = file_at(s->args[argument]);
		if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK) {
			/* Another thread has closed it meanwhile. */
			if (s->use.error != EBADF && s->use.error != ENOTSOCK)
				count_lost(SP_LOST_SOCKETS, 1);
			return 0;
		}
		socket = BPF_CORE_READ(file, private_data);
		sock = BPF_CORE_READ(socket, sk);
		s->use.family = BPF_CORE_READ(sock, __sk_common.skc_family);
		s->use.mode = BPF_CORE_READ(sock, sk_type);
		s->use.protocol = BPF_CORE_READ(sock, sk_protocol);
		see_peer(s, sock, bytes);
	} else {
		/* socket(2), socketpair(2) */
		s->use.family = s->args[0];
		/* Without its flags (SOCK_TYPE_MASK, linux/net.h). */
		s->use.mode = s->args[1] & 0xf;
		s->use.protocol = s->args[2];
	}
#pragma clang loop unroll(full)
	for (u32 i = 0; i < SP_ADDRESS / 8; i++)
		s->hash = mixed(s->hash, ((u64 *)s->text)[i]);
	s->hash = mixed(s->hash,
			bytes << 48 | (u64)s->use.family << 32 | (u32)s->use.protocol << 16 | s->use.mode);
	/* A relative path of a unix socket. */
	if (s->use.family == 1 && bytes > 2 && s->text[2] && s->text[2] != '/') {
		read_place(SP_PWD_OF(current_fs()), s->base);
		hash_chain(SP_SCRATCH_CALL, s->base[0], s->base[1]);
	}
	s->flags = 0;
	return send_use(SP_SCRATCH_CALL, call_word(&s->use), bytes);
}

/*
 * The addresses of the messages of a call after the first, in rows: as one loop they were 6,000 instructions
 * to the verifier.
 */
__noinline int use_message_row(u64 argument, u64 first, u64 sent)
{
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_MESSAGE_ROW; i++) {
		if (first + i >= sent)
			break;
		use_socket(argument, first + i);
	}
	return 0;
}

__noinline int use_messages(u64 argument, u64 sent)
{
#pragma clang loop unroll(disable)
	for (u32 first = 1; first < SP_MESSAGES; first += SP_MESSAGE_ROW) {
		if (first >= sent)
			break;
		use_message_row(argument, first, sent);
	}
	return 0;
}

/*
 * What is executed by a descriptor has no path, and the kernel writes /dev/fd/N, or /dev/fd/N/PATH
 * (alloc_bprm, fs/exec.c). Takes the descriptor's file for what the path begins at, unless the execution has
 * closed it. Returns where the path stands in that text; 0 where it is another text.
 */
static __always_inline u32 begins_at_descriptor(struct sp_scratch *s)
{
	struct file *file = NULL;
	u32 number = 0, at = 0;

	if (*(u64 *)s->text != 0x2f64662f7665642fULL) /* "/dev/fd/" */
		return 0;
#pragma clang loop unroll(full)
	for (u32 i = 8; i < 19; i++) {
		char c = s->text[i];

		if (at)
			continue;
		if (c >= '0' && c <= '9')
			number = number * 10 + (c - '0');
		else if (c == '/')
			at = i + 1;
		else if (!c)
			at = i;
		else
			return 0;
	}
	if (at > 8)
		file = file_at(number);
	if (!file)
		return 0;
	read_place(SP_PLACE_OF(file), s->base);
	return at;
}

/*
 * Reads arguments that lie in memory, into the scratch, and takes the call for that of i386 which has the
 * same in registers (syscall_32.tbl): of mmap mmap2, of socketcall what its first argument says
 * (linux/net.h). Returns the operands of that call; 0 where nothing of it matters.
 */
__noinline u64 read_words(u64 word)
{
	struct sp_scratch *s = scratch_of(SP_SCRATCH_CALL);
	u32 words[6] = {};
	u64 address, which;
	u32 count = 6;

	if (!s)
		return 0;
	which = s->args[0];
	address = s->args[0];
	if (word & SP_OPERANDS_SOCKETCALL) {
		address = s->args[1];
		count = 3;
		if (which == 1)
			s->use.nr = 359; /* socket */
		else if (which == 2)
			s->use.nr = 361; /* bind */
		else if (which == 3)
			s->use.nr = 362; /* connect */
		else if (which == 4)
			s->use.nr = 363, count = 2; /* listen */
		else if (which == 11)
			s->use.nr = 369, count = 6; /* sendto */
		else if (which == 16)
			s->use.nr = 370; /* sendmsg */
		else if (which == 20)
			s->use.nr = 345, count = 4; /* sendmmsg */
		else
			return 0;
	} else {
		s->use.nr = 192; /* mmap2 */
	}
	if (bpf_probe_read_user(words, count * sizeof(u32), (void *)address)) {
		if (s->use.error != EFAULT)
			count_lost_use(word & SP_OPERANDS_SOCKETCALL ? SP_USE_SOCKET : SP_USE_DESCRIPTOR);
		return 0;
	}
#pragma clang loop unroll(full)
	for (u32 i = 0; i < 6; i++)
		s->args[i] = words[i];
	return operands_of(s->use.abi, s->use.nr);
}

/*
 * Looks at what the call in the scratch had to do with, which has these operands. Returns whether it has sent
 * more messages than the first, which its caller is to look at: from here the calls would be too deep.
 */
static __always_inline int note_uses(struct sp_scratch *s, u64 word)
{
	u32 flags;

	if (word & SP_OPERANDS_EXECUTES && !s->use.error)
		return 0;
	/*
	 * Where a call is made again, its first try does not count. But a program that is told EINTR instead
	 * may not try again: a connection goes on.
	 */
	if (s->result <= -ERESTARTSYS && s->result >= -ERESTART_RESTARTBLOCK) {
		if (!(word & SP_OPERANDS_IS_SOCKET))
			return 0;
		s->use.error = EINTR;
	}
	if (word & (SP_OPERANDS_WORDS | SP_OPERANDS_SOCKETCALL)) {
		word = read_words(word);
		if (!word)
			return 0;
	}
	flags = SP_OPERANDS_FLAGS(word);
	s->operands = word;
	s->flags = 0;
	if (flags <= 5) {
		s->flags = s->args[flags];
		if (word & SP_OPERANDS_MEMORY) {
			u64 how[3] = {};

			/* Its flags and, in the upper half, how the path is resolved. */
			bpf_probe_read_user(how, sizeof(how), (void *)s->flags);
			s->flags = (u32)how[0] | how[2] << 32;
		}
	}
	s->use.args[0] = s->flags;
	s->use.args[1] = s->result;
	if (SP_OPERANDS_PATH(word, false) <= 5)
		use_path(false);
	else if (word & SP_OPERANDS_OPENS && !s->use.error)
		use_opened();
	if (SP_OPERANDS_PATH(word, true) <= 5)
		use_path(true);
	if (SP_OPERANDS_DESCRIPTOR(word) <= 5)
		use_descriptor(SP_OPERANDS_DESCRIPTOR(word));
	if (!(word & SP_OPERANDS_IS_SOCKET))
		return 0;
	use_socket(SP_OPERANDS_SOCKET(word), 0);
	return word & SP_OPERANDS_MANY && s->result > 1;
}

/* How a task was made whose flags lie in memory: as if they were an argument. */
static __always_inline void note_clone(const struct sp_scratch *s)
{
	struct sp_arguments_key key = {};

	/* What cannot be read the kernel could not read either. */
	if (!bpf_probe_read_user(&key.args[0], sizeof(key.args[0]), (void *)s->args[0]))
		count_arguments(s->use.image, s->use.target, &key, s->use.abi, s->use.nr);
}

/* The most descriptors and memory that a process had. */
static __always_inline void note_peaks(const struct sp_scratch *s, u64 word)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	bool gives = word & SP_OPERANDS_GIVES;

	/* fcntl(2): F_DUPFD, F_DUPFD_CLOEXEC. */
	if (word & SP_OPERANDS_GIVES_COPY)
		gives = s->args[1] == 0 || s->args[1] == 1030;
	if (gives && s->result >= 0)
		keep_most(&state.most_descriptors, s->result + 1);
	if (word & SP_OPERANDS_GIVES_TWO && !s->result) {
		s32 descriptors[2] = {};

		bpf_probe_read_user(descriptors, sizeof(descriptors),
				    (void *)(word & SP_OPERANDS_GIVES_LATE ? s->args[3] : s->args[0]));
		keep_most(&state.most_descriptors,
			  (descriptors[0] > descriptors[1] ? descriptors[0] : descriptors[1]) + 1);
	}
	if (word & SP_OPERANDS_GROWS)
		keep_most(&state.most_memory, BPF_CORE_READ(task, mm, total_vm));
}

/*
 * What the call in the scratch, which ends, was made with and gave, beside what registers tell. Its operands
 * are these. A function of its own is verified once, and not for each way that leads to it. Returns what
 * note_uses does.
 */
__noinline int note_operands(u64 word)
{
	struct sp_scratch *s = scratch_of(SP_SCRATCH_CALL);

	if (!s)
		return 0;
	if (word & SP_OPERANDS_CLONES)
		note_clone(s);
	note_peaks(s, word);
	return word & SP_OPERANDS_USES ? note_uses(s, word) : 0;
}

#endif
