// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The recorder on raw tracepoints, as every kernel before 7.0 has it. The programs come in two sets, of which
 * user space loads one: with task storage (kernels from 6.2, where it is reliable in tracing programs:
 * 0593dd34e534, e8b02296a6b8), or by tid.
 */
#include "recorder.bpf.h"

/* With task storage. */

SEC("tp_btf/sys_enter")
int BPF_PROG(handle__sys_enter, void *regs, long id)
{
	return on_sys_enter(bpf_get_current_task_btf(), id, false);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(handle__fork, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(parent, child, false);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(handle__exec, struct task_struct *task, s32 old_pid, struct linux_binprm *bprm)
{
	return on_exec(task, old_pid, file_of(bprm), filename_of(bprm), kind_of(bprm), false);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(handle__exit, struct task_struct *task)
{
	return on_exit(task, false);
}

SEC("raw_tp/io_uring_create")
int handle__ring(struct bpf_raw_tracepoint_args *ctx)
{
	return on_ring(ctx->args[1], false);
}

SEC("raw_tp/io_uring_submit_req")
int handle__submit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 ring = 0;
	u8 opcode = 0;

	read_submission(ctx->args, &ring, &opcode);
	return on_submit(ring, opcode, false);
}

/* By tid. */

SEC("tp_btf/sys_enter")
int BPF_PROG(handle__sys_enter_by_tid, void *regs, long id)
{
	return on_sys_enter((void *)bpf_get_current_task(), id, true);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(handle__fork_by_tid, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(parent, child, true);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(handle__exec_by_tid, struct task_struct *task, s32 old_pid, struct linux_binprm *bprm)
{
	return on_exec(task, old_pid, file_of(bprm), filename_of(bprm), kind_of(bprm), true);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(handle__exit_by_tid, struct task_struct *task)
{
	return on_exit(task, true);
}

SEC("raw_tp/io_uring_create")
int handle__ring_by_tid(struct bpf_raw_tracepoint_args *ctx)
{
	return on_ring(ctx->args[1], true);
}

SEC("raw_tp/io_uring_submit_req")
int handle__submit_by_tid(struct bpf_raw_tracepoint_args *ctx)
{
	u64 ring = 0;
	u8 opcode = 0;

	read_submission(ctx->args, &ring, &opcode);
	return on_submit(ring, opcode, true);
}

SEC("raw_tp/io_uring_submit_sqe")
int handle__submit_sqe_by_tid(struct bpf_raw_tracepoint_args *ctx)
{
	u64 ring = 0;
	u8 opcode = 0;

	read_submission(ctx->args, &ring, &opcode);
	return on_submit(ring, opcode, true);
}

SEC("raw_tp/io_uring_submit_sqe")
int handle__old_submit_sqe_by_tid(struct bpf_raw_tracepoint_args *ctx)
{
	u64 ring = 0;
	u8 opcode = 0;

	read_old_submission(ctx->args, &ring, &opcode);
	return on_submit(ring, opcode, true);
}

char LICENSE[] SEC("license") = "GPL";
