/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * How hooks are written. Each is declared beside what it does, once for each flavour: raw.bpf.c compiles them
 * for raw tracepoints, perf.bpf.c (SP_PERF) for tracepoints through perf events. Each has its row in
 * program.rs.
 *
 * Twins are two programs of one body, of which user space loads one. The body is told which it is by `by_tid`
 * (how tasks are kept) or `locates` (whether code is looked for); the second's name ends in _by_tid or
 * _located. Two programs and not a switch in the configuration: what one of them calls, the other's kernels
 * do not have, and 5.10 refuses some of it even where it can never run (pointers to functions).
 */
#ifndef SANDPRINT_HOOKS_H
#define SANDPRINT_HOOKS_H

/* Programs that are given a pointer to `context`. */
#define SP_PAIR(section, name, second, flag, context)                                                        \
	static __always_inline int name##_body(context *ctx, const bool flag);                               \
	SEC(section) int name(context *ctx)                                                                  \
	{                                                                                                    \
		return name##_body(ctx, false);                                                              \
	}                                                                                                    \
	SEC(section) int second(context *ctx)                                                                \
	{                                                                                                    \
		return name##_body(ctx, true);                                                               \
	}                                                                                                    \
	static __always_inline int name##_body(context *ctx, const bool flag)

/* The arguments of a tracepoint come as addresses, whatever they are. BPF_PROG silences it as well. */
#pragma clang diagnostic ignored "-Wint-conversion"

/* Programs on tp_btf, which are given the arguments of the tracepoint. */
#define SP_BTF_PAIR(section, name, second, flag, args...)                                                    \
	static __always_inline int name##_body(const bool flag, unsigned long long *ctx, ##args);            \
	SEC(section) int name(unsigned long long *ctx)                                                       \
	{                                                                                                    \
		return name##_body(false, ___bpf_ctx_cast(args));                                            \
	}                                                                                                    \
	SEC(section) int second(unsigned long long *ctx)                                                     \
	{                                                                                                    \
		return name##_body(true, ___bpf_ctx_cast(args));                                             \
	}                                                                                                    \
	static __always_inline int name##_body(const bool flag, unsigned long long *ctx, ##args)

/* By how tasks are kept. */
#define SP_TWINS(section, name, context) SP_PAIR(section, name, name##_by_tid, by_tid, context)
#define SP_BTF_TWINS(event, name, args...) SP_BTF_PAIR("tp_btf/" event, name, name##_by_tid, by_tid, ##args)
/* By whether the code of a call is looked for. */
#define SP_LOCATING_BTF_TWINS(event, name, args...)                                                          \
	SP_BTF_PAIR("tp_btf/" event, name, name##_located, locates, ##args)

/*
 * A program that reads a map without bpf(2), which keeps programs of perf events from running on its CPU
 * (bpf_prog_active): it writes each entry that `wanted` is true of, its key if `keyed`, and its value.
 */
#define SP_READER(name, key_type, value_type, keyed, wanted)                                                 \
	SEC("iter/bpf_map_elem") int name(struct bpf_iter__bpf_map_elem *ctx)                                \
	{                                                                                                    \
		struct seq_file *seq = ctx->meta->seq;                                                       \
		key_type *key = ctx->key;                                                                    \
		void *value = ctx->value;                                                                    \
                                                                                                             \
		if (!key || !value || !(wanted))                                                             \
			return 0;                                                                            \
		if (keyed)                                                                                   \
			bpf_seq_write(seq, key, sizeof(key_type));                                           \
		bpf_seq_write(seq, value, sizeof(value_type));                                               \
		return 0;                                                                                    \
	}

#ifdef SP_PERF
/* Since 6.2 (3f0e6f2b41d3); for this type of program since 6.12 (bc638d8cb5be). */
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;

/*
 * The perf events that the programs are attached to. Key: any. Value: a descriptor. Written by: user space,
 * so that it need not wait for their end.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u32);
} perf_events SEC(".maps");
#endif

#endif
