/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The programs that user space runs by reading from them; the same with all hooks. */
#ifndef SANDPRINT_ITERATORS_H
#define SANDPRINT_ITERATORS_H

/* With task storage. */

SEC("iter/task")
int handle__admit(struct bpf_iter__task *ctx)
{
	return on_admit(ctx->task, false);
}

SEC("iter/task")
int handle__drain(struct bpf_iter__task *ctx)
{
	return on_drain(ctx);
}

SEC("iter/task")
int handle__collect(struct bpf_iter__task *ctx)
{
	return on_collect(ctx->task);
}

SEC("iter/task")
int handle__list(struct bpf_iter__task *ctx)
{
	return on_list(ctx, false);
}

/* By tid. */

SEC("iter/task")
int handle__admit_by_tid(struct bpf_iter__task *ctx)
{
	return on_admit(ctx->task, true);
}

SEC("iter/task")
int handle__list_by_tid(struct bpf_iter__task *ctx)
{
	return on_list(ctx, true);
}

/* With both. */

SEC("iter/task")
int handle__resolve(struct bpf_iter__task *ctx)
{
	return on_resolve(ctx->task);
}

#endif
