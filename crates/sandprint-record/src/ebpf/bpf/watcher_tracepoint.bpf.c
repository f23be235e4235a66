// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The watcher on tracepoints through perf events, for kernels from 7.0 on: see tracepoint.bpf.c. The programs
 * have the names and the meaning of watcher.bpf.c.
 */
#include "watcher.bpf.h"

/* Since 6.2 (3f0e6f2b41d3); for this type of program since 6.12 (bc638d8cb5be). */
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;

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

SEC("tracepoint/raw_syscalls/sys_enter")
int handle__start(void *ctx)
{
	return on_start();
}

SEC("tracepoint/raw_syscalls/sys_exit")
int handle__end_located(struct trace_event_raw_sys_exit *ctx)
{
	return on_end((void *)bpf_task_pt_regs(bpf_get_current_task_btf()), ctx->ret, true);
}

SEC("tracepoint/signal/signal_generate")
int handle__signal(struct trace_event_raw_signal_generate *ctx)
{
	if (ctx->sig != SIGSYS || ctx->code != SYS_SECCOMP)
		return 0;
	return on_signal_of_filter();
}

SEC("tracepoint/sched/sched_process_exec")
int handle__exec(struct trace_event_raw_sched_process_exec *ctx)
{
	return on_exec(ctx->old_pid);
}

SEC("tracepoint/sched/sched_process_exit")
int handle__exit_located(void *ctx)
{
	return on_exit(true);
}

SEC("tracepoint/sched/sched_process_fork")
int handle__fork(struct trace_event_raw_sched_process_fork *ctx)
{
	struct task_struct *child = bpf_task_from_pid(ctx->child_pid);

	/* It has its number and does not run yet, so it is there. */
	if (!child) {
		count_lost(SP_UNWATCHED_MEMBERS, 1);
		return 0;
	}
	on_fork(bpf_get_current_task_btf(), child);
	bpf_task_release(child);
	return 0;
}

/* Reading maps without bpf(2), which keeps programs of perf events from running on its CPU (bpf_prog_active).
 */

SEC("iter/bpf_map_elem")
int handle__refused(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	void *key = ctx->key;
	void *value = ctx->value;

	if (!key || !value)
		return 0;
	bpf_seq_write(seq, key, sizeof(struct sp_refused_key));
	bpf_seq_write(seq, value, sizeof(struct sp_refused));
	return 0;
}

SEC("iter/bpf_map_elem")
int handle__processes(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	void *key = ctx->key;
	void *value = ctx->value;

	if (!key || !value)
		return 0;
	bpf_seq_write(seq, key, sizeof(struct sp_process_key));
	bpf_seq_write(seq, value, sizeof(struct sp_process));
	return 0;
}

SEC("iter/bpf_map_elem")
int handle__members(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	void *key = ctx->key;
	void *value = ctx->value;

	if (!key || !value)
		return 0;
	bpf_seq_write(seq, key, sizeof(u32));
	bpf_seq_write(seq, value, sizeof(u64));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
