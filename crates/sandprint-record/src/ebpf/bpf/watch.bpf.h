/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Watching: calls that seccomp filters keep from running, whoever installed the filters. While none does, it
 * costs a look at the task's seccomp mode, and for a confined task a byte, at each call's start and end. What
 * finds the code of a call needs bpf_find_vma (5.17), and is a program of its own.
 */
#ifndef SANDPRINT_WATCH_H
#define SANDPRINT_WATCH_H

/* A helper that this kernel has. */
#define HAS(helper) bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_##helper)

/* The current task's seccomp mode and tid. */
struct sp_who {
	struct task_struct *task;
	int mode;
	u32 tid;
};

static __always_inline struct sp_who who(void)
{
	struct sp_who who;

	/* Since 5.11 (3ca1032ab7ab). */
	if (HAS(get_current_task_btf)) {
		struct task_struct *task = bpf_get_current_task_btf();

		who.task = task;
		who.mode = task->seccomp.mode;
		who.tid = task->pid;
	} else {
		struct task_struct *task = (void *)bpf_get_current_task();

		who.task = task;
		who.mode = BPF_CORE_READ(task, seccomp.mode);
		who.tid = BPF_CORE_READ(task, pid);
	}
	return who;
}

static __always_inline int on_call_start(void)
{
	struct sp_who me = who();
	u8 *mark;

	if (!me.mode)
		return 0;
	mark = mark_of(me.tid);
	if (mark)
		*mark = SP_MARK_IN;
	return 0;
}

/* The end of a call whose start was not seen. */
static __always_inline int on_unstarted(struct sp_who *me, void *regs, long ret, u8 mark, bool locates)
{
	u32 outcome = SP_OUTCOME_RETURNED;

	if (me->mode == SECCOMP_MODE_DEAD)
		outcome = SP_OUTCOME_KILLED_PROCESS;
	else if (mark == SP_MARK_SIGNALLED)
		outcome = SP_OUTCOME_TRAPPED;
	else if (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK)
		/* A wait for a supervisor that a signal ended: the call is made again, or is not. */
		return 0;
	else if (mark == SP_MARK_UNKNOWN) {
		/* Its start may have been before ours; one that succeeds was hardly refused. */
		if (ret < 0 && ret >= -MAX_ERRNO && is_watched(me->task))
			count_lost(SP_LOST_UNSETTLED, 1);
		return 0;
	}
	return refuse(me->task, regs, ret, outcome, locates);
}

static __noinline int slow_end(void *regs, long ret, u32 mark)
{
	struct sp_who me = who();

	return on_unstarted(&me, regs, ret, mark, false);
}

static __noinline int slow_end_located(void *regs, long ret, u32 mark)
{
	struct sp_who me = who();

	me.task = bpf_get_current_task_btf();
	return on_unstarted(&me, regs, ret, mark, true);
}

static __always_inline int on_call_end(void *regs, long ret, bool locates)
{
	struct sp_who me = who();
	u8 before;
	u8 *mark;

	if (!me.mode)
		return 0;
	mark = mark_of(me.tid);
	if (!mark)
		return 0;
	before = *mark;
	*mark = SP_MARK_OUT;
	if (before == SP_MARK_IN)
		return 0;
	return locates ? slow_end_located(regs, ret, before) : slow_end(regs, ret, before);
}

/*
 * A signal from a filter: it is sent in the task that makes the call, before the call could have started. In
 * a call that runs, only the task itself can have made up such a signal.
 */
static __always_inline int on_signal_of_filter(void)
{
	struct sp_who me = who();
	u8 *mark = mark_of(me.tid);

	if (me.mode && mark && *mark != SP_MARK_IN)
		*mark = SP_MARK_SIGNALLED;
	return 0;
}

/* An exec that a thread made gives it the tid of its leader, while it is in the call. */
static __always_inline int on_watched_exec(u32 old_tid)
{
	struct sp_who me = who();
	u8 *mark;

	if (old_tid == me.tid)
		return 0;
	mark = mark_of(me.tid);
	if (mark)
		*mark = SP_MARK_IN;
	mark = mark_of(old_tid);
	if (mark)
		*mark = SP_MARK_UNKNOWN;
	return 0;
}

static __always_inline void *registers_of(struct task_struct *task)
{
	/* Since 5.15 (dd6e10fbd9fb). */
	if (HAS(task_pt_regs))
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return old_registers(task, config.x86);
}

static __noinline int refuse_killed(void)
{
	struct sp_who me = who();

	return refuse(me.task, registers_of(me.task), 0, SP_OUTCOME_KILLED_THREAD, false);
}

static __noinline int refuse_killed_located(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return refuse(task, registers_of(task), 0, SP_OUTCOME_KILLED_THREAD, true);
}

/*
 * What ends a thread at once comes to no other hook. The exit code is that of a signal, but no signal ended
 * it, which is otherwise so only for the threads that a fatal signal takes along.
 */
static __always_inline int on_watched_exit(bool locates)
{
	struct sp_process_key process = {};
	struct sp_process *known;
	u64 *member;
	struct sp_who me = who();
	struct task_struct *task = me.task;
	u8 before;
	u8 *mark;
	u32 tgid;

	mark = mark_of(me.tid);
	if (!mark)
		return 0;
	before = *mark;
	*mark = SP_MARK_UNKNOWN;
	if (me.mode && before != SP_MARK_IN && (BPF_CORE_READ(task, exit_code) & 0x7f) == SIGSYS &&
	    !(BPF_CORE_READ(task, flags) & PF_SIGNALED)) {
		if (locates)
			refuse_killed_located();
		else
			refuse_killed();
	}
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	process.started = BPF_CORE_READ(task, group_leader, start_boottime);
	process.tgid = BPF_CORE_READ(task, tgid);
	known = bpf_map_lookup_elem(&processes, &process);
	if (known) {
		known->ended_ns = bpf_ktime_get_ns();
		send_event(SP_EVENT_ENDED, process.tgid, process.started);
	}
	if (!config.members)
		return 0;
	tgid = tgid_in_our_namespace(BPF_CORE_READ(task, group_leader));
	member = bpf_map_lookup_elem(&members, &tgid);
	if (member) {
		*member = bpf_ktime_get_ns();
		send_event(SP_EVENT_EMPTY, tgid, 0);
	}
	return 0;
}

/* Where one process and its descendants are watched. */
static __always_inline int on_watched_fork(struct task_struct *parent, struct task_struct *child)
{
	u32 parent_tgid = tgid_in_our_namespace(BPF_CORE_READ(parent, group_leader));
	u32 child_tgid = tgid_in_our_namespace(BPF_CORE_READ(child, group_leader));
	u64 lives = SP_MEMBER_LIVES;

	if (!child_tgid || child_tgid == parent_tgid)
		return 0;
	if (!bpf_map_lookup_elem(&members, &parent_tgid))
		bpf_map_delete_elem(&members, &child_tgid);
	else if (bpf_map_update_elem(&members, &child_tgid, &lives, BPF_ANY))
		count_lost(SP_LOST_MEMBERS, 1);
	return 0;
}

#ifdef SP_PERF
SEC("tracepoint/raw_syscalls/sys_enter")
int watch_start(void *ctx)
{
	return on_call_start();
}

SEC("tracepoint/raw_syscalls/sys_exit")
int watch_end_located(struct trace_event_raw_sys_exit *ctx)
{
	return on_call_end((void *)bpf_task_pt_regs(bpf_get_current_task_btf()), ctx->ret, true);
}

SEC("tracepoint/signal/signal_generate")
int watch_signal(struct trace_event_raw_signal_generate *ctx)
{
	if (ctx->sig != SIGSYS || ctx->code != SYS_SECCOMP)
		return 0;
	return on_signal_of_filter();
}

SEC("tracepoint/sched/sched_process_exec")
int watch_exec(struct trace_event_raw_sched_process_exec *ctx)
{
	return on_watched_exec(ctx->old_pid);
}

SEC("tracepoint/sched/sched_process_exit")
int watch_exit_located(void *ctx)
{
	return on_watched_exit(true);
}

SEC("tracepoint/sched/sched_process_fork")
int watch_fork(struct trace_event_raw_sched_process_fork *ctx)
{
	struct task_struct *child = bpf_task_from_pid(ctx->child_pid);

	/* It has its number and does not run yet, so it is there. */
	if (!child) {
		count_lost(SP_LOST_MEMBERS, 1);
		return 0;
	}
	on_watched_fork(bpf_get_current_task_btf(), child);
	bpf_task_release(child);
	return 0;
}
#else
SEC("tp_btf/sys_enter")
int BPF_PROG(watch_start, void *regs, long id)
{
	return on_call_start();
}

SP_LOCATING_BTF_TWINS("sys_exit", watch_end, void *regs, long ret)
{
	return on_call_end(regs, ret, locates);
}

SEC("tp_btf/signal_generate")
int BPF_PROG(watch_signal, int number, struct kernel_siginfo *info)
{
	/* Numbers below are no addresses: SEND_SIG_NOINFO, SEND_SIG_PRIV (linux/sched/signal.h). */
	if (number != SIGSYS || (u64)info <= 1 || BPF_CORE_READ(info, si_code) != SYS_SECCOMP)
		return 0;
	return on_signal_of_filter();
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(watch_exec, struct task_struct *task, s32 old_pid)
{
	return on_watched_exec(old_pid);
}

SP_LOCATING_BTF_TWINS("sched_process_exit", watch_exit, struct task_struct *task)
{
	return on_watched_exit(locates);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(watch_fork, struct task_struct *parent, struct task_struct *child)
{
	return on_watched_fork(parent, child);
}
#endif

#endif
