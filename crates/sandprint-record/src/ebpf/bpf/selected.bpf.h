/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The registers of a call, and which of its arguments tell such calls apart. */
#ifndef SANDPRINT_SELECTED_H
#define SANDPRINT_SELECTED_H

/*
 * Which arguments tell calls apart. Key: SP_SELECTED * ABI + number. Value, from the lowest bit on: two bits
 * for each argument, 0 for one that does not, 1 for its lower half, 2 for all of it; four bits that are not
 * used; a bit for the argument that decides whether another one has a meaning; a bit for that other one; and
 * in the upper half the bits of which the deciding one must have any, 0 where it must be one of the deciding
 * map's. Written by: user space, before anything is attached.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SP_SELECTED *SP_ABIS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, u64);
} selected SEC(".maps");

#define SP_DECIDING_SHIFT 16
#define SP_DECIDED_SHIFT 22
#define SP_DECIDED_MASK 0x3f

struct sp_deciding_key {
	u32 call; /* as in the selected map */
	u32 value;
};

/*
 * The values of deciding arguments with which the others have a meaning. Value: not used. Written by: user
 * space, before anything is attached. Cannot be full: there is room for all of the tables.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_deciding_key);
	__type(value, u8);
} deciding SEC(".maps");

static __noinline u64 is_deciding(u32 call, u32 value)
{
	struct sp_deciding_key key = {.call = call, .value = value};

	return bpf_map_lookup_elem(&deciding, &key) ? 1 : 0;
}

/* All bits where the bit is set. */
static __always_inline u64 all_if(u64 bit)
{
	return -(bit & 1);
}

/* Which arguments of a call tell such calls apart, as the selected map has it; 0 for none. */
static __always_inline u64 selected_of(u32 abi, u32 nr)
{
	u32 call = abi * SP_SELECTED + nr;
	u64 *found;

	if (nr >= SP_SELECTED)
		return 0;
	found = bpf_map_lookup_elem(&selected, &call);
	return found ? *found : 0;
}

/*
 * Leaves in `to` those arguments that tell calls apart, as far as the kernel looks at them, and 0 for the
 * others. `which` and `call` are the value and the key of the selected map. Without branches, so that the
 * verifier goes through it once.
 */
static __always_inline void select_arguments(u64 which, u32 call, const u64 *args, u64 *to)
{
	u64 decides = 0, has_meaning;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < 6; i++) {
		u64 how = which >> (2 * i);

		to[i] = args[i] & (all_if(how >> 1) | (all_if(how) & 0xffffffff));
		decides |= args[i] & all_if(which >> (SP_DECIDING_SHIFT + i));
	}
	if (!((which >> SP_DECIDED_SHIFT) & SP_DECIDED_MASK))
		return;
	has_meaning = which >> 32 ? ((which >> 32) & decides) != 0 : is_deciding(call, decides);
	if (has_meaning)
		return;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < 6; i++)
		to[i] &= ~all_if(which >> (SP_DECIDED_SHIFT + i));
}

/* A call as its task's registers have it. */
struct sp_registers {
	u64 args[6];
	u64 ip;
	u32 nr;
	u32 abi;
};

static __always_inline void read_registers(struct task_struct *task, void *address, struct sp_registers *to)
{
	if (config.x86) {
		struct pt_regs___x86 *regs = address;

		to->nr = BPF_CORE_READ(regs, orig_ax);
		to->ip = BPF_CORE_READ(regs, ip);
		to->abi = abi_of(task, false, &to->nr);
		if (to->abi == SP_ABI_COMPAT) {
			to->args[0] = (u32)BPF_CORE_READ(regs, bx);
			to->args[1] = (u32)BPF_CORE_READ(regs, cx);
			to->args[2] = (u32)BPF_CORE_READ(regs, dx);
			to->args[3] = (u32)BPF_CORE_READ(regs, si);
			to->args[4] = (u32)BPF_CORE_READ(regs, di);
			to->args[5] = (u32)BPF_CORE_READ(regs, bp);
			return;
		}
		to->args[0] = BPF_CORE_READ(regs, di);
		to->args[1] = BPF_CORE_READ(regs, si);
		to->args[2] = BPF_CORE_READ(regs, dx);
		to->args[3] = BPF_CORE_READ(regs, r10);
		to->args[4] = BPF_CORE_READ(regs, r8);
		to->args[5] = BPF_CORE_READ(regs, r9);
	} else {
		struct pt_regs___arm64 *regs = address;

		to->nr = BPF_CORE_READ(regs, syscallno);
		to->abi = abi_of(task, false, &to->nr);
		to->ip = BPF_CORE_READ(regs, pc);
		/* The first register holds what the call returned. */
		to->args[0] = BPF_CORE_READ(regs, orig_x0);
		to->args[1] = BPF_CORE_READ(regs, regs[1]);
		to->args[2] = BPF_CORE_READ(regs, regs[2]);
		to->args[3] = BPF_CORE_READ(regs, regs[3]);
		to->args[4] = BPF_CORE_READ(regs, regs[4]);
		to->args[5] = BPF_CORE_READ(regs, regs[5]);
	}
}

#endif
