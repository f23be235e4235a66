// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The floor: a program that does nothing, where every recorder of system calls must have one.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/sys_enter")
int handle__sys_enter(void *ctx)
{
	(void)ctx;
	return 0;
}
