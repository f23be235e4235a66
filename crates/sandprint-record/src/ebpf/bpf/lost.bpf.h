/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What could not be recorded: every failed update ends here. */
#ifndef SANDPRINT_LOST_H
#define SANDPRINT_LOST_H

/*
 * Key: enum sp_lost. Value: how often.
 * Written by: every program, where something failed. Cannot be full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SP_LOST_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, u64);
} lost SEC(".maps");

static __always_inline void count_lost(u32 reason, u64 times)
{
	u64 *slot = bpf_map_lookup_elem(&lost, &reason);

	if (slot)
		__sync_fetch_and_add(slot, times);
}

#endif
