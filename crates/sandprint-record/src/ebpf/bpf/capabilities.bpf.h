/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Which capabilities a task is asked for, and whether it has them: only with config.details. By the
 * tracepoint, or before there was one (6.14) at the end of the function that it is in. That tells more,
 * namely whether it is asked for a log: without, it is only looked whether something may be spared
 * (CAP_OPT_NOAUDIT). But such a program can be preempted, and a kernel may be built without what it takes.
 */
#ifndef SANDPRINT_CAPABILITIES_H
#define SANDPRINT_CAPABILITIES_H

/*
 * Key: image, target, call, capability, answer. Value: how often.
 * Written by: on_asked. When full: SP_LOST_CAPABILITIES.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_asked_key);
	__type(value, u64);
} asked SEC(".maps");

/* linux/security.h */
#define CAP_OPT_NOAUDIT 2

static __always_inline int on_asked(struct task_struct *task, const struct cred *cred, int capability,
				    int answer, bool in_call, bool by_tid)
{
	struct sp_head *head = find_head(task, by_tid);
	struct sp_asked_key key = {};
	u64 call;
	bool is_new;

	if (!head || !head->image)
		return 0;
	/* The kernel asks in the name of others: of a file system's mounter, or of another task. */
	if (cred != BPF_CORE_READ(task, real_cred))
		return 0;
	key.image = head->image;
	key.target = head->target;
	/* Outside of a call that was seen to begin: a fault of memory, or a call from before the recording.
	 */
	call = head->call;
	if (call == SP_NO_CALL || !in_call)
		call = 0;
	key.abi = (call - 1) >> 32;
	key.nr = call - 1;
	key.capability = capability;
	key.granted = !answer;
	if (!count_key(&asked, &key, &is_new))
		count_lost(SP_LOST_CAPABILITIES, 1);
	return 0;
}

static __always_inline int on_asked_by(const struct cred *cred, int capability, u32 options, int answer,
				       bool by_tid)
{
	if (options & CAP_OPT_NOAUDIT)
		return 0;
	return on_asked(by_tid ? (void *)bpf_get_current_task() : bpf_get_current_task_btf(), cred,
			capability, answer, true, by_tid);
}

SP_BTF_PAIR("fexit/cap_capable", ask_capability, ask_capability_by_tid, by_tid, const struct cred *cred,
	    void *user_namespace, int capability, u32 options, int answer)
{
	return on_asked_by(cred, capability, options, answer, by_tid);
}

/* Whether the task is in a call, and not in a fault that its program made: those set the number to -1. */
static __always_inline bool is_in_call(void)
{
	return (s32)number_of((void *)bpf_task_pt_regs(bpf_get_current_task_btf())) != -1;
}

#ifdef SP_PERF
SP_TWINS("tracepoint/capability/cap_capable", trace_capability, struct trace_event_raw_cap_capable)
{
	return on_asked(by_tid ? (void *)bpf_get_current_task() : bpf_get_current_task_btf(), ctx->cred,
			ctx->cap, ctx->ret, is_in_call(), by_tid);
}

SP_READER(read_asked, struct sp_asked_key, u64, true, true)
#else
SP_BTF_TWINS("cap_capable", trace_capability, const struct cred *cred, void *target, const void *capable,
	     int capability, int answer)
{
	return on_asked(by_tid ? (void *)bpf_get_current_task() : bpf_get_current_task_btf(), cred,
			capability, answer, is_in_call(), by_tid);
}
#endif

#endif
