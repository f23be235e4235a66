/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Rare hints to user space. A lost one costs promptness, never a fact: the maps hold them all. */
#ifndef SANDPRINT_EVENTS_H
#define SANDPRINT_EVENTS_H

/*
 * Payload: struct sp_event.
 * Written by: first_call, image_id, on_exit. When full: the hint is dropped and counted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

static __always_inline void send_event(u32 kind, u32 tgid, u64 image)
{
	struct sp_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		count_lost(SP_LOST_EVENT, 1);
		return;
	}
	event->kind = kind;
	event->tgid = tgid;
	event->image = image;
	bpf_ringbuf_submit(event, 0);
}

#endif
