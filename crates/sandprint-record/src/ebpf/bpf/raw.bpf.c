// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* All programs on raw tracepoints: the fastest way, and exact on every kernel before 7.0. */
#include "all.bpf.h"
