/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Types that the watcher shares with Rust (watcher/decode.rs reads them by offset). Plain C. */
#ifndef SANDPRINT_WATCHER_H
#define SANDPRINT_WATCHER_H

/* Tasks whose marks share an entry of the marks map, and the most entries: together PID_MAX_LIMIT. */
#define SP_MARKS 64
#define SP_MARK_LINES 65536

/* What is known of a confined task's calls. */
enum sp_mark {
	SP_MARK_UNKNOWN = 0,   /* nothing: it may be in a call whose start was not seen */
	SP_MARK_IN = 1,	       /* it is in a call that runs */
	SP_MARK_OUT = 2,       /* it is in none, or in one that no filter has let through yet */
	SP_MARK_SIGNALLED = 3, /* the same, and a filter has sent it SIGSYS */
};

enum sp_outcome {
	SP_OUTCOME_RETURNED = 1,
	SP_OUTCOME_TRAPPED = 2,
	SP_OUTCOME_KILLED_PROCESS = 3,
	SP_OUTCOME_KILLED_THREAD = 4,
};

/* Filters of one task, ancestors of one process, and directories of one cgroup that are looked at. */
#define SP_FILTERS 16
#define SP_PARENTS 16
#define SP_LEVELS 16
/* Bytes kept of a cgroup's path, a power of two; there is room for one more name behind. */
#define SP_CGROUP 512

/* What makes calls that did not run alike. */
struct sp_refused_key {
	__u64 started; /* the process: start_boottime of its leader, and its tgid */
	__u64 ip;
	__u64 filter;  /* the address of the newest filter */
	__s64 ret;     /* 0 for what is no error */
	__u64 args[6]; /* those that select, else 0 */
	__u32 tgid;
	__u32 nr;
	__u32 abi;
	__u32 outcome;
};

struct sp_ancestor {
	__u32 tgid;
	__u32 our_tgid; /* in the watcher's PID namespace; 0 for none */
	char comm[16];
};

#define SP_REFUSED_READY 1	/* all of it is written */
#define SP_REFUSED_TRACED 2	/* the thread had a tracer */
#define SP_REFUSED_SUPERVISED 4 /* a filter had a listener */
#define SP_REFUSED_MORE 8	/* there were more filters than are listed */

struct sp_refused {
	__u64 count;
	__u64 first_ns; /* CLOCK_MONOTONIC */
	__u64 last_ns;
	__u64 args[6];
	__u64 ip;
	__s64 ret;
	__u64 image;  /* ids of the image_info map, as in struct sp_image */
	__u64 module; /* 0 where it is not known */
	__u64 module_ino;
	__u64 offset;		   /* in the module */
	__u64 filters[SP_FILTERS]; /* by content, the newest first; 0 where it could not be read */
	__u32 flags;
	__s32 code_error; /* of bpf_find_vma; 0 where there was no file */
	__u32 tid;
	__u32 our_tgid; /* in the watcher's PID namespace; 0 for none */
	__u32 filter_count;
	__u32 ancestor_count;
	__u32 cgroup_len;
	__u32 pad;
	char comm[16];
	struct sp_ancestor ancestors[SP_PARENTS];
	char cgroup[SP_CGROUP + SP_NAME]; /* components, leaf first, each ended by NUL */
};

/* A process with a call that did not run. */
struct sp_process_key {
	__u64 started;
	__u32 tgid;
	__u32 pad;
};

struct sp_process {
	__u64 ended_ns; /* 0 while it lives */
};

/* A part of a filter's instructions, in the code ring. */
#define SP_CODE_PART 4096
#define SP_CODE_PARTS 8

struct sp_code {
	__u64 id;
	__u32 bytes; /* of the whole filter */
	__u32 part;
	char data[SP_CODE_PART];
};

/* In the members map: the process lives. */
#define SP_MEMBER_LIVES 1

#endif
