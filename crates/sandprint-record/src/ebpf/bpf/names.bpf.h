/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What tells names of addresses: answers that were received from port 53, and requests to a proxy (CONNECT).
 * Only with config.details.
 *
 * Reading and writing are the calls that are made most, so nothing is looked at before somebody has asked a
 * resolver or has connected a stream (see_peer), and no more than the first bytes of what is written.
 */
#ifndef SANDPRINT_NAMES_H
#define SANDPRINT_NAMES_H

/* Most bytes of an answer: what room there is. */
#define SP_ANSWER SP_PATH
/* Most bytes of the second part of an answer, and of the first where there are two. */
#define SP_FIRST_PART 255
#define SP_SECOND_PART (SP_ANSWER - 256)
/* Most bytes of the line of a request, in which a name and a version stand. */
#define SP_REQUEST 512
/* Most messages of one call that are looked at. */
#define SP_ANSWERS 16
/* Port 53, as it stands in an address. */
#define SP_RESOLVER 0x3500
#define SP_STREAM 1 /* SOCK_STREAM */

/* Where the bytes of a call lie: struct iovec, of which the first two are looked at. */
struct sp_parts {
	u64 at[2];
	u64 length[2];
};

/* What the call looked at may tell: without the bits for names where that is nothing. */
static __always_inline u64 as_far_as_names(u64 word, long result)
{
	/* What runs already may have asked, or have its connection, before. */
	bool may = config.walks || (word & SP_OPERANDS_RECEIVES ? state.asks_names : state.has_streams);

	if (may && result > 0)
		return word;
	return word & SP_OPERANDS_USES ? word & ~SP_OPERANDS_NAMES : 0;
}

/* Reads the parts of a call whose second argument is `address`, and whose third `size`. */
static __always_inline void read_parts(struct sp_parts *parts, u64 word, bool compat, u64 address, u64 size)
{
	u64 words[4] = {};

	if (word & SP_OPERANDS_MESSAGE) {
		/* struct msghdr (linux/socket.h): the parts, and how many. */
		if (compat) {
			u32 halves[2] = {};

			bpf_probe_read_user(halves, sizeof(halves), (void *)(address + 8));
			address = halves[0];
			size = halves[1];
		} else {
			bpf_probe_read_user(words, 16, (void *)(address + 16));
			address = words[0];
			size = words[1];
		}
	} else if (!(word & SP_OPERANDS_VECTOR)) {
		parts->at[0] = address;
		parts->length[0] = size;
		return;
	}
	if (!size)
		return;
	if (compat) {
		u32 halves[4] = {};

		bpf_probe_read_user(halves, size > 1 ? 16 : 8, (void *)address);
		parts->at[0] = halves[0];
		parts->length[0] = halves[1];
		parts->at[1] = halves[2];
		parts->length[1] = halves[3];
	} else {
		bpf_probe_read_user(words, size > 1 ? 32 : 16, (void *)address);
		parts->at[0] = words[0];
		parts->length[0] = words[1];
		parts->at[1] = words[2];
		parts->length[1] = words[3];
	}
}

/* Whether what was written begins as a request to a proxy. */
__noinline u64 begins_request(u64 word, u64 compat, u64 address, u64 size)
{
	struct sp_parts parts = {};
	u64 begin = 0;

	read_parts(&parts, word, compat, address, size);
	if (parts.length[0] < sizeof(begin))
		return 0;
	bpf_probe_read_user(&begin, sizeof(begin), (void *)parts.at[0]);
	return begin == 0x205443454e4e4f43ULL; /* "CONNECT " */
}

/*
 * The type of the socket that a descriptor is of, and above it the port of its peer, as it stands in an
 * address; 0 for what is no socket.
 */
__noinline u64 peer_of(u64 descriptor)
{
	struct file *file = file_at(descriptor);
	struct socket *socket;
	struct sock *sock;
	u64 family, port = 0;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sock = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sock, __sk_common.skc_family);
	if (family == SP_INET || family == SP_INET6)
		port = BPF_CORE_READ(sock, __sk_common.skc_dport);
	return port << 16 | (u16)BPF_CORE_READ(sock, sk_type);
}

/* The port in an address of the program's, as it stands there; 0 for none. */
__noinline u64 port_in(u64 address)
{
	u16 head[2] = {};

	if (!address || bpf_probe_read_user(head, sizeof(head), (void *)address))
		return 0;
	return head[0] == SP_INET || head[0] == SP_INET6 ? head[1] : 0;
}

/* Adds bytes of the text to the hash. */
__noinline int hash_bytes(u64 length)
{
	struct sp_scratch *s = scratch_of(SP_SCRATCH_CALL);
	u64 hash, address, skipped = 0;
	char *text;

	if (!s)
		return 0;
	hash = mixed(s->hash, length);
	/* As a number: see hash_text. */
	text = s->text;
	bpf_probe_read_kernel(&address, sizeof(address), &text);
	/* The first 16 bits of an answer tell it apart from others to who asked, and say nothing. */
	if (s->use.mode != SP_STREAM)
		skipped = 2;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_PATH / SP_HASH_STEP; i++) {
		u64 done = skipped + i * SP_HASH_STEP;

		if (done >= length)
			break;
		hash = hash_step(address + done, length - done, hash);
	}
	s->hash = hash;
	return 0;
}

/* Sends so much of what the call was given or gave, of which `parts` lie in the program's memory. */
static __always_inline int send_bytes(struct sp_scratch *s, const struct sp_parts *parts, u64 length,
				      u64 most)
{
	u64 first, second = 0;

	first = length < parts->length[0] ? length : parts->length[0];
	if (first > most)
		first = most;
	barrier_var(first);
	if (!first) {
		/* A first part without room, before another: not read. */
		if (length && parts->length[1])
			count_lost(SP_LOST_NAMES, 1);
		return 0;
	}
	if (first > SP_ANSWER)
		return 0;
	if (bpf_probe_read_user(s->text, first, (void *)parts->at[0])) {
		count_lost(SP_LOST_NAMES, 1);
		return 0;
	}
	/* The length of a message in a stream may have a part of its own. */
	if (first < length && first <= SP_FIRST_PART && parts->length[1]) {
		second = length - first;
		if (second > parts->length[1])
			second = parts->length[1];
		barrier_var(second);
		if (second > SP_SECOND_PART)
			second = SP_SECOND_PART;
		first &= SP_FIRST_PART;
		barrier_var(first);
		if (first > SP_FIRST_PART)
			return 0;
		if (bpf_probe_read_user(&s->text[first], second, (void *)parts->at[1])) {
			count_lost(SP_LOST_NAMES, 1);
			return 0;
		}
	}
	s->use.args[1] = length;
	length = first + second;
	barrier_var(length);
	if (length > SP_ANSWER)
		return 0;
	hash_bytes(length);
	return send_use(SP_SCRATCH_CALL, call_word(&s->use), length);
}

/* What a message of a call tells of names, on a socket of that type. */
__noinline int use_message(u64 type, u64 nth)
{
	struct sp_scratch *s = scratch_of(SP_SCRATCH_CALL);
	struct sp_parts parts = {};
	u64 address, length, word;
	bool compat;

	if (!s)
		return 0;
	word = s->operands;
	compat = s->use.abi != SP_ABI_NATIVE;
	address = s->args[1];
	length = s->result;
	if (word & SP_OPERANDS_MANY) {
		u32 sent = 0;

		/* struct mmsghdr: how long a message is stands behind it. */
		address += nth * (compat ? 32 : 64);
		bpf_probe_read_user(&sent, sizeof(sent), (void *)(address + (compat ? 28 : 56)));
		length = sent;
	}
	/* Not connected: whom each message came from is told with it. */
	if (word & SP_OPERANDS_RECEIVES && word & SP_OPERANDS_MESSAGE && type >> 16 != SP_RESOLVER) {
		u64 sender = 0;

		bpf_probe_read_user(&sender, compat ? 4 : 8, (void *)address);
		if (port_in(sender) != SP_RESOLVER)
			return 0;
	}
	begin_use(s, word & SP_OPERANDS_SENDS ? SP_USE_REQUEST : SP_USE_ANSWER);
	s->use.mode = type;
	read_parts(&parts, word, compat, address, s->args[2]);
	return send_bytes(s, &parts, length, word & SP_OPERANDS_SENDS ? SP_REQUEST : SP_ANSWER);
}

/* The messages of a call that receives several. */
__noinline int use_answers(u64 type, u64 received)
{
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_ANSWERS; i++) {
		if (i >= received)
			return 0;
		use_message(type, i);
	}
	if (received > SP_ANSWERS)
		count_lost(SP_LOST_NAMES, 1);
	return 0;
}

/*
 * Whether the call that ends, whose operands are these, tells names as far as its beginning says: the type of
 * its socket, and above it the port of its peer; 0 if it does not.
 */
__noinline u64 may_tell_names(u64 word)
{
	struct sp_scratch *s = scratch_of(SP_SCRATCH_CALL);
	u64 type;

	if (!s)
		return 0;
	s->operands = word;
	if (word & SP_OPERANDS_SENDS &&
	    !begins_request(word, s->use.abi != SP_ABI_NATIVE, s->args[1], s->args[2]))
		return 0;
	type = peer_of(s->args[0]);
	if (word & SP_OPERANDS_SENDS)
		return (u16)type == SP_STREAM ? type : 0;
	/* Messages say themselves whom they came from. */
	if (type >> 16 == SP_RESOLVER || word & SP_OPERANDS_MESSAGE)
		return type;
	return word & SP_OPERANDS_FROM && port_in(s->args[4]) == SP_RESOLVER ? type : 0;
}

/* Looks at what the call in the scratch tells of names. */
static __always_inline void note_names(const struct sp_scratch *s, u64 word)
{
	u64 type = may_tell_names(word);

	if (!type)
		return;
	if (word & SP_OPERANDS_MANY && word & SP_OPERANDS_RECEIVES)
		use_answers(type, s->result);
	else
		use_message(type, 0);
}

#endif
