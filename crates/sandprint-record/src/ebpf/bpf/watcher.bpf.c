// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The watcher on raw tracepoints, as every kernel before 7.0 has it. It sees calls that seccomp filters keep
 * from running, whoever installed the filters. While none does, it costs a look at the task's seccomp mode,
 * and for a confined task a byte, at each call's start and end. What finds the code of a call needs
 * bpf_find_vma (5.17), and is a program of its own.
 */
#include "watcher.bpf.h"

SEC("tp_btf/sys_enter")
int BPF_PROG(handle__start, void *regs, long id)
{
	return on_start();
}

SEC("tp_btf/sys_exit")
int BPF_PROG(handle__end, void *regs, long ret)
{
	return on_end(regs, ret, false);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(handle__end_located, void *regs, long ret)
{
	return on_end(regs, ret, true);
}

SEC("tp_btf/signal_generate")
int BPF_PROG(handle__signal, int number, struct kernel_siginfo *info)
{
	/* Numbers below are no addresses: SEND_SIG_NOINFO, SEND_SIG_PRIV (linux/sched/signal.h). */
	if (number != SIGSYS || (u64)info <= 1 || BPF_CORE_READ(info, si_code) != SYS_SECCOMP)
		return 0;
	return on_signal_of_filter();
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(handle__exec, struct task_struct *task, s32 old_pid)
{
	return on_exec(old_pid);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(handle__exit, struct task_struct *task)
{
	return on_exit(false);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(handle__exit_located, struct task_struct *task)
{
	return on_exit(true);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(handle__fork, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(parent, child);
}

char LICENSE[] SEC("license") = "GPL";
