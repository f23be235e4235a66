/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The recorder and the watcher: one part per concern, each with its maps first and its programs last. User
 * space loads those programs that a recording or a watch needs, and their maps.
 */
#ifndef SANDPRINT_ALL_BPF_H
#define SANDPRINT_ALL_BPF_H

#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "recorder.h"
#include "watcher.h"

#include "hooks.bpf.h"
#include "kernel_fixes.bpf.h"
#include "config.bpf.h"
#include "atomic.bpf.h"
#include "lost.bpf.h"
#include "events.bpf.h"
#include "selected.bpf.h"
#include "follow.bpf.h"
#include "cgroups.bpf.h"
#include "paths.bpf.h"
#include "images.bpf.h"
#include "counts.bpf.h"
#include "details.bpf.h"
#include "calls.bpf.h"
#include "operands.bpf.h"
#include "scratch.bpf.h"
#include "uses.bpf.h"
#include "names.bpf.h"
#include "lifecycle.bpf.h"
#include "ends.bpf.h"
#include "capabilities.bpf.h"
#include "walk.bpf.h"
#include "uring.bpf.h"
#include "filters.bpf.h"
#include "refused.bpf.h"
#include "watch.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#endif
