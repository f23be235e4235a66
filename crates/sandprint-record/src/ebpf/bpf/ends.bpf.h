/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The end of calls: only with config.details. */
#ifndef SANDPRINT_ENDS_H
#define SANDPRINT_ENDS_H

/*
 * The end of a call of the current task. Of one that is not confined, only errors matter, and what has to do
 * with files and sockets. Of one that is, every end takes away the mark of its call, so that the next end
 * without a beginning is known to be a refusal. (Where another thread confines this one between two calls of
 * the same kind, the first refusal of the second counts as its own error.)
 */
static __always_inline int on_sys_exit(struct task_struct *task, long id, const void *regs, long ret,
				       bool by_tid)
{
	u32 nr = id, abi, error;
	struct sp_head *head;
	u64 call, begun, word;
	bool confined;

	if (!by_tid && !may_have_storage(task) && !state.by_tid)
		return 0;
	confined = bpf_core_field_exists(task->seccomp) &&
		   (by_tid ? BPF_CORE_READ(task, seccomp.mode) : task->seccomp.mode);
	error = error_of(ret);
	abi = abi_of(task, !by_tid, &nr);
	word = operands_of(abi, nr);
	if (word & SP_OPERANDS_NAMES)
		word = as_far_as_names(word, ret);
	if (!error && !confined && !word)
		return 0;
	head = find_head(task, by_tid);
	if (!head || !head->image)
		return 0;
	begun = head->call;
	if (!begun) {
		/* Of a confined task it may have been a refusal. */
		if (error && confined)
			count_lost(SP_LOST_RESULTS, 1);
		return 0;
	}
	if (confined)
		head->call = SP_NO_CALL;
	/* What a return from a signal's handler gives is a register of whoever was interrupted. */
	if (nr == SP_NO_NUMBER)
		return 0;
	call = call_of(abi, nr);
	if (call != begun) {
		if (error && confined)
			note_result(head->image, head->target, call, error, 1);
		return 0;
	}
	if (error)
		note_result(head->image, head->target, call, error, 0);
	if (word) {
		struct sp_scratch *s = scratch_of(SP_SCRATCH_CALL);

		if (!s)
			return 0;
		s->use.image = head->image;
		s->use.target = head->target;
		s->use.abi = abi;
		s->use.nr = nr;
		s->use.error = error;
		s->result = ret;
		read_arguments_of(regs, abi == SP_ABI_COMPAT, s->args);
		if (note_operands(word))
			use_messages(SP_OPERANDS_SOCKET(s->operands), s->result);
		if (word & SP_OPERANDS_NAMES)
			note_names(s, word);
	}
	return 0;
}

/* The number of the call that the registers are of. */
static __always_inline long number_of(const void *address)
{
	if (config.x86) {
		const struct pt_regs___x86 *regs = address;

		return regs->orig_ax;
	} else {
		const struct pt_regs___arm64 *regs = address;

		return regs->syscallno;
	}
}

#ifdef SP_PERF
SP_TWINS("tracepoint/raw_syscalls/sys_exit", end_call, struct trace_event_raw_sys_exit)
{
	if (is_stopped())
		return 0;
	return on_sys_exit(by_tid ? (void *)bpf_get_current_task() : bpf_get_current_task_btf(), ctx->id,
			   (void *)bpf_task_pt_regs(bpf_get_current_task_btf()), ctx->ret, by_tid);
}

SP_READER(read_arguments, struct sp_arguments_key, u64, true, true)
SP_READER(read_results, struct sp_result_key, u64, true, true)
#else
SP_BTF_TWINS("sys_exit", end_call, void *regs, long ret)
{
	return on_sys_exit(by_tid ? (void *)bpf_get_current_task() : bpf_get_current_task_btf(),
			   number_of(regs), regs, ret, by_tid);
}
#endif

/* A program was executed; follow_exec has noted it already. */
static __always_inline int on_executed(struct task_struct *task, u64 filename, bool by_tid)
{
	struct sp_head *head = find_head(task, by_tid);
	struct sp_scratch *s = scratch_of(SP_SCRATCH_EXEC);
	long length;
	u32 begin;

	if (!head || !head->image || !s)
		return 0;
	/* Who executed it, unless that was before the recording. */
	s->use.image = head->before ? head->before : head->image;
	s->use.target = head->target;
	s->use.abi = SP_ABI_NATIVE;
	s->use.nr = config.execve_nr;
	s->use.error = 0;
	s->flags = 0;
	s->use.args[0] = 0;
	s->use.args[1] = 0;
	begin_use(s, head->flags & SP_HEAD_SCRIPT ? SP_USE_SCRIPT : SP_USE_EXEC);
	length = bpf_probe_read_kernel_str(s->text, SP_PATH, (void *)filename);
	if (length <= 0 || !find_file(s, BPF_CORE_READ(task, mm, exe_file))) {
		count_lost(SP_LOST_FILES, 1);
		return 0;
	}
	s->use.made = 0;
	begin = begins_at_descriptor(s);
	if (begin)
		length = bpf_probe_read_kernel_str(s->text, SP_PATH, (void *)filename + begin);
	else
		find_base(s, SP_NO_ARGUMENT);
	if (length <= 0)
		return 0;
	hash_text(SP_SCRATCH_EXEC);
	return finish_use(s, SP_SCRATCH_EXEC, length - 1);
}

#ifdef SP_PERF
SP_TWINS("tracepoint/sched/sched_process_exec", note_exec, struct trace_event_raw_sched_process_exec)
{
	return on_executed(bpf_get_current_task_btf(), filename_in(ctx), by_tid);
}
#else
SP_BTF_TWINS("sched_process_exec", note_exec, struct task_struct *task, s32 old_pid,
	     struct linux_binprm *bprm)
{
	return on_executed(task, filename_of(bprm), by_tid);
}
#endif

#endif
