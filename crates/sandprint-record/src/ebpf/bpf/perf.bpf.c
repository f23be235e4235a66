// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * All programs on tracepoints through perf events, for kernels from 7.0 on. There a program on a raw
 * tracepoint can be preempted, and while one is, the kernel does not run it for the other tasks of that CPU
 * (the guard against recursion, bpf_prog_get_recursion_context, is one for each program and CPU). Perf events
 * keep preemption off while their programs run. What differs from raw.bpf.c is where arguments come from.
 */
#define SP_PERF
#include "all.bpf.h"
