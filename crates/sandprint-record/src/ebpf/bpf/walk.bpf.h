/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Walks over all tasks: to find targets, to admit them, to read live counts. */
#ifndef SANDPRINT_WALK_H
#define SANDPRINT_WALK_H

/* Translates the wanted processes into the initial PID namespace, and finds the recorder itself. */
static __always_inline int on_resolve(struct task_struct *task)
{
	u32 tgid, global;
	u32 *target;

	if (!task || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid))
		return 0;
	tgid = tgid_in_our_namespace(BPF_CORE_READ(task, group_leader));
	if (!tgid)
		return 0;
	global = BPF_CORE_READ(task, tgid);
	if (tgid == config.self_pid)
		state.self_tgid = global;
	target = bpf_map_lookup_elem(&wanted, &tgid);
	if (target) {
		u32 number = *target;

		bpf_map_update_elem(&targets, &global, &number, BPF_ANY);
	}
	return 0;
}

static __always_inline bool is_ending(struct task_struct *task)
{
	return BPF_CORE_READ(task, flags) & PF_EXITING;
}

/*
 * Admits every thread of the targets and of their descendants. Children are admitted by on_fork.
 *
 * A task that ended meanwhile, and whose on_exit did not yet find it followed, is taken back: nobody else
 * would. PF_EXITING is set before the exit hook, so either that finds the task admitted, or it is seen here.
 */
static __always_inline int on_admit(struct task_struct *task, bool by_tid)
{
	struct sp_head *head;
	u32 target, tid;

	if (!task || is_ours(task))
		return 0;
	if (!BPF_CORE_READ(task, mm) || is_ending(task))
		return 0;
	head = find_head(task, by_tid);
	if (head && head->image)
		return 0;
	target = target_by_descent(task);
	if (!target)
		return 0;
	tid = BPF_CORE_READ(task, pid);
	head = admit_running(task, target, running_image(task), by_tid);
	if (!head || !is_ending(task))
		return 0;
	if (!by_tid) {
		struct sp_task *storage = storage_of(task);

		if (storage) {
			if (!(fetch_or(&storage->head.flags, SP_HEAD_ENDED) & SP_HEAD_ENDED))
				end_of_task(BPF_CORE_READ(task, tgid));
		}
	}
	if (!bpf_map_delete_elem(&tids, &tid)) {
		__sync_fetch_and_add(&state.by_tid, -1);
		end_of_task(BPF_CORE_READ(task, tgid));
	}
	return 0;
}

/* Writes the tgid of a followed task, as the recorder's PID namespace numbers it. */
static __always_inline int on_list(struct bpf_iter__task *ctx, bool by_tid)
{
	struct task_struct *task = ctx->task;
	struct sp_head *head;
	u32 tgid;

	if (!task)
		return 0;
	head = find_head(task, by_tid);
	if (!head || head->flags & SP_HEAD_ENDED)
		return 0;
	tgid = tgid_in_our_namespace(BPF_CORE_READ(task, group_leader));
	if (tgid)
		bpf_seq_write(ctx->meta->seq, &tgid, sizeof(tgid));
	return 0;
}

struct drain_context {
	struct seq_file *seq;
	struct sp_task *storage;
	struct sp_live record;
};

static long drain_slot(u32 nr, void *data)
{
	struct drain_context *context = data;
	u64 count;

	if (nr >= SP_SLOTS)
		return 1;
	count = context->storage->counts[nr];
	if (!count)
		return 0;
	context->record.nr = nr;
	context->record.count = count;
	return bpf_seq_write(context->seq, &context->record, sizeof(context->record)) != 0;
}

/* Writes a followed task's own counts to user space, and leaves them where they are. */
static __always_inline int on_drain(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct drain_context context = {};
	struct sp_task *storage;

	if (!task)
		return 0;
	storage = storage_of(task);
	if (!storage)
		return 0;
	context.seq = ctx->meta->seq;
	context.storage = storage;
	context.record.image = storage->head.image;
	context.record.target = storage->head.target;
	if (context.record.image)
		bpf_loop(SP_SLOTS, drain_slot, &context, 0);
	return 0;
}

/* Moves a followed task's own counts into the calls map, once calls are no longer counted. */
static __always_inline int on_collect(struct task_struct *task)
{
	struct sp_task *storage;

	if (!task)
		return 0;
	storage = storage_of(task);
	if (storage && !(storage->head.flags & SP_HEAD_ENDED))
		flush(storage);
	return 0;
}

SEC("iter/task")
int walk_resolve(struct bpf_iter__task *ctx)
{
	return on_resolve(ctx->task);
}

SP_TWINS("iter/task", walk_admit, struct bpf_iter__task)
{
	return on_admit(ctx->task, by_tid);
}

SP_TWINS("iter/task", walk_list, struct bpf_iter__task)
{
	return on_list(ctx, by_tid);
}

SEC("iter/task")
int walk_drain(struct bpf_iter__task *ctx)
{
	return on_drain(ctx);
}

SEC("iter/task")
int walk_collect(struct bpf_iter__task *ctx)
{
	return on_collect(ctx->task);
}

#endif
