/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* All of the recorder but its hooks: one part per concern, each with its maps first. */
#ifndef SANDPRINT_RECORDER_BPF_H
#define SANDPRINT_RECORDER_BPF_H

#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "recorder.h"

#include "kernel_fixes.bpf.h"
#include "config.bpf.h"
#include "atomic.bpf.h"
#include "lost.bpf.h"
#include "events.bpf.h"
#include "follow.bpf.h"
#include "images.bpf.h"
#include "syscalls.bpf.h"
#include "lifecycle.bpf.h"
#include "walk.bpf.h"
#include "uring.bpf.h"
#include "iterators.bpf.h"

#endif
