/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What user space sets before the programs are loaded, and what follows from it alone. */
#ifndef SANDPRINT_CONFIG_H
#define SANDPRINT_CONFIG_H

/* MAX_PID_NS_LEVEL (linux/pid_namespace.h). */
#define SP_NS_LEVELS 32

const volatile struct sp_config config = {};

/*
 * The tgid of the task at that address, a leader, as the recorder's PID namespace numbers it; 0 where it has
 * none there. Not inlined, so that the verifier goes through the loop once and not for each caller.
 */
__noinline u32 tgid_at(u64 leader_address)
{
	struct task_struct *leader = (void *)leader_address;
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	u32 base = bpf_core_field_offset(struct pid, numbers);
	u32 size = bpf_core_type_size(struct upid);
	u32 level = BPF_CORE_READ(pid, level);

#pragma clang loop unroll(disable)
	for (u32 i = 0; i < SP_NS_LEVELS; i++) {
		struct upid *upid;

		if (i > level)
			break;
		upid = (void *)pid + base + i * size;
		if (BPF_CORE_READ(upid, ns, ns.inum) == config.pid_ns)
			return BPF_CORE_READ(upid, nr);
	}
	return 0;
}

static __always_inline u32 tgid_in_our_namespace(struct task_struct *leader)
{
	return tgid_at((u64)leader);
}

/* Whether the current system call came in through the 32-bit ABI. */
static __always_inline bool is_compat(struct task_struct *task, bool trusted)
{
	/* The field exists on x86 only; elsewhere its place is never read. */
	if (config.x86) {
		u32 status = trusted ? task->thread_info.status : BPF_CORE_READ(task, thread_info.status);

		return status & TS_COMPAT;
	}
	return (trusted ? task->thread_info.flags : BPF_CORE_READ(task, thread_info.flags)) & TIF_32BIT_MASK;
}

/* The ABI of the current system call, whose number loses the bit that makes it one of x32. */
static __always_inline u32 abi_of(struct task_struct *task, bool trusted, u32 *nr)
{
	if (is_compat(task, trusted))
		return SP_ABI_COMPAT;
	if (config.x86 && (s32)*nr >= 0 && (*nr & X32_SYSCALL_BIT)) {
		*nr &= ~X32_SYSCALL_BIT;
		return SP_ABI_X32;
	}
	return SP_ABI_NATIVE;
}

#endif
