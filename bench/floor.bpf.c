// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The floor: programs that do nothing, where every recorder of system calls must have one, and where whoever
// watches for refused calls must have a second.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/sys_enter")
int handle__sys_enter(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("tp_btf/sys_exit")
int handle__sys_exit(void *ctx)
{
	(void)ctx;
	return 0;
}
