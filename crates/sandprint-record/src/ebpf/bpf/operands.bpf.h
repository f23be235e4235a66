/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the arguments and the result of a call are, and what of them is looked at beside files and sockets. */
#ifndef SANDPRINT_OPERANDS_H
#define SANDPRINT_OPERANDS_H

/* What operands a call has. Key: SP_SELECTED * ABI + number. Value: see the SP_OPERANDS_ macros; 0 for none.
 * Written by: user space, before anything is attached. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SP_SELECTED *SP_ABIS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, u64);
} operands SEC(".maps");

/* The number of an argument stands in three bits: this one is none, and for a directory the working
 * directory. */
#define SP_NO_ARGUMENT 7
#define SP_OPERANDS_FIELD(word, at) ((u32)((word) >> (at)) & 7)
#define SP_OPERANDS_DIRECTORY(word, second) SP_OPERANDS_FIELD(word, (second) ? 6 : 0)
#define SP_OPERANDS_PATH(word, second) SP_OPERANDS_FIELD(word, (second) ? 9 : 3)
#define SP_OPERANDS_FLAGS(word) SP_OPERANDS_FIELD(word, 12)
#define SP_OPERANDS_DESCRIPTOR(word) SP_OPERANDS_FIELD(word, 15)
#define SP_OPERANDS_SOCKET(word) SP_OPERANDS_FIELD(word, 18)
#define SP_OPERANDS_ADDRESS(word) SP_OPERANDS_FIELD(word, 21)
/* The length of the address; SP_NO_ARGUMENT: the address is in a struct msghdr. */
#define SP_OPERANDS_LENGTH(word) SP_OPERANDS_FIELD(word, 24)
#define SP_OPERANDS_OPENS (1ULL << 27)	 /* gives a descriptor of what the first path names */
#define SP_OPERANDS_MEMORY (1ULL << 28)	 /* the argument with flags is the address of a struct open_how */
#define SP_OPERANDS_DEVICES (1ULL << 29) /* of descriptors, only those of devices matter */
#define SP_OPERANDS_MAPS (1ULL << 30)	 /* the descriptor matters where code is mapped from it */
#define SP_OPERANDS_MOVES (1ULL << 31)	 /* success changes the working directory */
#define SP_OPERANDS_CHANGES_ROOT (1ULL << 32) /* success changes the root */
#define SP_OPERANDS_EXECUTES (1ULL << 33)     /* after a success nothing of it can be read any more */
#define SP_OPERANDS_MANY (1ULL << 36)	      /* several struct mmsghdr */
#define SP_OPERANDS_GIVES (1ULL << 37)	      /* the result is a descriptor */
#define SP_OPERANDS_GIVES_TWO (1ULL << 38)    /* the first argument is the address of two */
#define SP_OPERANDS_GIVES_LATE (1ULL << 46)   /* it is the fourth argument */
#define SP_OPERANDS_GIVES_COPY (1ULL << 47)   /* the result is a descriptor where the command copies one */
#define SP_OPERANDS_GROWS (1ULL << 39)	      /* memory may be mapped */
#define SP_OPERANDS_CLONES (1ULL << 40)	      /* the flags are those of clone3(2) */
#define SP_OPERANDS_USES (1ULL << 41)	      /* has to do with files or sockets */
#define SP_OPERANDS_IS_SOCKET (1ULL << 35)    /* makes sockets, or has to do with one */
#define SP_OPERANDS_SKIPS_EMPTY (1ULL << 34)  /* an empty path is a descriptor of which nothing matters */
#define SP_OPERANDS_WORDS (1ULL << 42)	      /* the first argument is the address of all, as 32 bits each */
#define SP_OPERANDS_SOCKETCALL (1ULL << 43)   /* the first argument says which call of sockets it is */

#define SP_OPERANDS_RECEIVES (1ULL << 48) /* the second argument says where received bytes are */
#define SP_OPERANDS_SENDS (1ULL << 49)	  /* the same of sent ones */
#define SP_OPERANDS_VECTOR (1ULL << 50)	  /* it is the address of as many struct iovec as the third says */
#define SP_OPERANDS_MESSAGE (1ULL << 51)  /* it is that of a struct msghdr */
#define SP_OPERANDS_FROM (1ULL << 52)	  /* the fifth argument is where the sender's address is */
#define SP_OPERANDS_CONNECTS (1ULL << 53) /* the address becomes that of the socket's peer */
#define SP_OPERANDS_NAMES (SP_OPERANDS_RECEIVES | SP_OPERANDS_SENDS)

/* What operands the call has; 0 for none. */
static __always_inline u64 operands_of(u32 abi, u32 nr)
{
	u32 call = abi * SP_SELECTED + nr;
	u64 *found;

	if (nr >= SP_SELECTED)
		return 0;
	found = bpf_map_lookup_elem(&operands, &call);
	return found ? *found : 0;
}

#endif
