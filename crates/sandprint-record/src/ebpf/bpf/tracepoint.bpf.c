// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The recorder on tracepoints through perf events, for kernels from 7.0 on. There a program on a raw
 * tracepoint can be preempted, and while one is, the kernel does not run it for the other tasks of that CPU
 * (the guard against recursion, bpf_prog_get_recursion_context, is one for each program and CPU). Perf events
 * keep preemption off while their programs run. The programs have the names and the meaning of
 * recorder.bpf.c; what differs is where their arguments come from.
 */
#include "recorder.bpf.h"

/* Since 6.2 (3f0e6f2b41d3); for this type of program since 6.12 (bc638d8cb5be). */
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;

/*
 * What the execs that are under way run. Key: the tid before the exec, in the initial PID namespace.
 * Value: enum sp_exec. Written by: on_prepare; taken by take_kind. When full: SP_LOST_SCRIPTS.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u32);
} execs SEC(".maps");

/*
 * The perf events that the programs are attached to. Key: any. Value: a descriptor. Written by: user space,
 * so that it need not wait for their end.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, u32);
} perf_events SEC(".maps");

/*
 * Runs when an exec can no longer fail, in the task that makes it. Only here can be told whether a script is
 * executed, and only from the binprm, which no perf event shows: the record of the event has the strings, and
 * the kernel refuses to make it where both are of the greatest length. So these are programs on raw
 * tracepoints, which can be skipped, and there are several: one that runs is enough, and that none ran is
 * seen by take_kind.
 */
static __always_inline int on_prepare(struct linux_binprm *bprm)
{
	u32 tid = bpf_get_current_pid_tgid();
	u32 kind = kind_of(bprm);

	bpf_map_update_elem(&execs, &tid, &kind, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(handle__prepare_1, struct task_struct *task, struct linux_binprm *bprm)
{
	return on_prepare(bprm);
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(handle__prepare_2, struct task_struct *task, struct linux_binprm *bprm)
{
	return on_prepare(bprm);
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(handle__prepare_3, struct task_struct *task, struct linux_binprm *bprm)
{
	return on_prepare(bprm);
}

/* What on_prepare found of the exec that the task with this tid began. */
static __always_inline enum sp_exec take_kind(u32 old_tid)
{
	u32 *found = bpf_map_lookup_elem(&execs, &old_tid);
	u32 kind = SP_EXEC_UNSEEN;

	if (found) {
		kind = *found;
		bpf_map_delete_elem(&execs, &old_tid);
	}
	return kind;
}

static __always_inline int on_fork_of(s32 child_pid, bool by_tid)
{
	struct task_struct *parent = bpf_get_current_task_btf();
	struct task_struct *child = bpf_task_from_pid(child_pid);

	/* It has its number and does not run yet, so it is there. */
	if (!child) {
		count_lost(SP_LOST_ADMISSION, 1);
		return 0;
	}
	on_fork(parent, child, by_tid);
	bpf_task_release(child);
	return 0;
}

static __always_inline int on_exec_of(struct trace_event_raw_sched_process_exec *ctx, bool by_tid)
{
	struct task_struct *task = bpf_get_current_task_btf();
	void *filename = (void *)ctx + (ctx->__data_loc_filename & 0xffff);
	enum sp_exec kind = take_kind(ctx->old_pid);
	u64 address = 0;

	/* As a number: the verifier wants addresses inside its context told apart from others. */
	bpf_probe_read_kernel(&address, sizeof(address), &filename);
	return on_exec(task, ctx->old_pid, (u64)BPF_CORE_READ(task, mm, exe_file), address, kind, by_tid);
}

/*
 * How calls stop being counted: the program itself stays attached for a while, since the kernel takes its
 * time to give up a perf event.
 */
static __always_inline bool is_stopped(void)
{
	return *(volatile u64 *)&control.stopped;
}

/* With task storage. */

SEC("tracepoint/raw_syscalls/sys_enter")
int handle__sys_enter(struct trace_event_raw_sys_enter *ctx)
{
	if (is_stopped())
		return 0;
	return on_sys_enter(bpf_get_current_task_btf(), ctx->id, false);
}

SEC("tracepoint/sched/sched_process_fork")
int handle__fork(struct trace_event_raw_sched_process_fork *ctx)
{
	return on_fork_of(ctx->child_pid, false);
}

SEC("tracepoint/sched/sched_process_exec")
int handle__exec(struct trace_event_raw_sched_process_exec *ctx)
{
	return on_exec_of(ctx, false);
}

SEC("tracepoint/sched/sched_process_exit")
int handle__exit(void *ctx)
{
	return on_exit(bpf_get_current_task_btf(), false);
}

SEC("tracepoint/io_uring/io_uring_create")
int handle__ring(struct trace_event_raw_io_uring_create *ctx)
{
	return on_ring((u64)ctx->ctx, false);
}

SEC("tracepoint/io_uring/io_uring_submit_req")
int handle__submit(struct trace_event_raw_io_uring_submit_req *ctx)
{
	return on_submit((u64)ctx->ctx, ctx->opcode, false);
}

/* By tid. */

SEC("tracepoint/raw_syscalls/sys_enter")
int handle__sys_enter_by_tid(struct trace_event_raw_sys_enter *ctx)
{
	if (is_stopped())
		return 0;
	return on_sys_enter((void *)bpf_get_current_task(), ctx->id, true);
}

SEC("tracepoint/sched/sched_process_fork")
int handle__fork_by_tid(struct trace_event_raw_sched_process_fork *ctx)
{
	return on_fork_of(ctx->child_pid, true);
}

SEC("tracepoint/sched/sched_process_exec")
int handle__exec_by_tid(struct trace_event_raw_sched_process_exec *ctx)
{
	return on_exec_of(ctx, true);
}

SEC("tracepoint/sched/sched_process_exit")
int handle__exit_by_tid(void *ctx)
{
	return on_exit(bpf_get_current_task_btf(), true);
}

SEC("tracepoint/io_uring/io_uring_create")
int handle__ring_by_tid(struct trace_event_raw_io_uring_create *ctx)
{
	return on_ring((u64)ctx->ctx, true);
}

SEC("tracepoint/io_uring/io_uring_submit_req")
int handle__submit_by_tid(struct trace_event_raw_io_uring_submit_req *ctx)
{
	return on_submit((u64)ctx->ctx, ctx->opcode, true);
}

/* Reading maps without bpf(2), which keeps programs of perf events from running on its CPU (bpf_prog_active).
 */

SEC("iter/bpf_map_elem")
int handle__calls(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	void *key = ctx->key;
	void *value = ctx->value;

	if (!key || !value)
		return 0;
	bpf_seq_write(seq, key, sizeof(struct sp_call_key));
	bpf_seq_write(seq, value, sizeof(struct sp_call));
	return 0;
}

/* Only the image that user space asks for. */
SEC("iter/bpf_map_elem")
int handle__image(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	u64 *id = ctx->key;
	void *value = ctx->value;

	if (id && value && *id == control.image)
		bpf_seq_write(seq, value, sizeof(struct sp_image));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
