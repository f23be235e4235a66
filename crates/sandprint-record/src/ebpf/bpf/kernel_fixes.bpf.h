/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Differences between kernel versions, each with the commit that made it. */
#ifndef SANDPRINT_KERNEL_FIXES_H
#define SANDPRINT_KERNEL_FIXES_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Of the tracepoint io_uring_submit_sqe; see read_old_submission. */
struct trace_event_raw_io_uring_submit_sqe {
	void *req;
};

#pragma clang attribute pop

/*
 * The ring and the opcode from the arguments of io_uring_submit_req, or of io_uring_submit_sqe since 5.19:
 * the request is the first.
 */
static __always_inline void read_submission(const u64 *args, u64 *ring, u8 *opcode)
{
	struct io_kiocb *req = (void *)args[0];

	*ring = (u64)BPF_CORE_READ(req, ctx);
	*opcode = BPF_CORE_READ(req, opcode);
}

/*
 * The same before 5.19, when io_uring_submit_sqe had five or more arguments: from 5.12 on the ring, the
 * request and the opcode, earlier the ring and the opcode. Where it has two, the kernel refuses to attach a
 * program that reads the third, which tells user space that it is not this one.
 */
static __always_inline void read_old_submission(const u64 *args, u64 *ring, u8 *opcode)
{
	struct trace_event_raw_io_uring_submit_sqe *event = NULL;
	u64 second = args[1];
	u64 third = args[2];

	/* Else clang computes one address for both, and the verifier wants the context's own. */
	barrier_var(second);
	barrier_var(third);
	*ring = args[0];
	*opcode = bpf_core_field_exists(event->req) ? third : second;
}

/*
 * The time of an inode's last change, as far as this kernel shows it; else zero. i_ctime became __i_ctime
 * in 6.6 (13bc24457850, "fs: rename i_ctime field to __i_ctime"), and two integers in 6.11 (3aa63a569c64,
 * "fs: switch timespec64 fields in inode to discrete integers").
 */
static __always_inline void read_ctime(const struct inode *inode, u64 *seconds, u32 *nanoseconds)
{
	if (bpf_core_field_exists(inode->i_ctime_sec)) {
		*seconds = BPF_CORE_READ(inode, i_ctime_sec);
		*nanoseconds = BPF_CORE_READ(inode, i_ctime_nsec);
	} else if (bpf_core_field_exists(inode->__i_ctime)) {
		*seconds = BPF_CORE_READ(inode, __i_ctime.tv_sec);
		*nanoseconds = BPF_CORE_READ(inode, __i_ctime.tv_nsec);
	} else if (bpf_core_field_exists(inode->i_ctime)) {
		*seconds = BPF_CORE_READ(inode, i_ctime.tv_sec);
		*nanoseconds = BPF_CORE_READ(inode, i_ctime.tv_nsec);
	}
}

/* The directory above one of kernfs; renamed in 6.15 (633488947ef6, "kernfs: Use RCU to access
 * kernfs_node::parent."). */
static __always_inline struct kernfs_node *parent_of(struct kernfs_node *node)
{
	if (bpf_core_field_exists(node->__parent))
		return BPF_CORE_READ(node, __parent);
	return BPF_CORE_READ(node, parent);
}

/*
 * Where a task's registers are before bpf_task_pt_regs (5.15): at the end of its kernel stack, which has 16
 * KiB on both architectures (THREAD_SIZE, where the kernel was not built with KASAN).
 */
static __always_inline void *old_registers(struct task_struct *task, bool x86)
{
	u64 size =
		x86 ? bpf_core_type_size(struct pt_regs___x86) : bpf_core_type_size(struct pt_regs___arm64);

	return BPF_CORE_READ(task, stack) + 16384 - size;
}

#endif
