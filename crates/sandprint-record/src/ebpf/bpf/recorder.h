/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Types shared with Rust (decode.rs reads them by offset; its tests hold the sizes). Plain C. */
#ifndef SANDPRINT_RECORDER_H
#define SANDPRINT_RECORDER_H

/*
 * Numbers below this are counted in the task's own array. The newest call of Linux 7.2 has number 471;
 * what lies above is counted in the calls map, as exactly and more slowly. 480 keeps the storage of a
 * task, with the kernel's header, inside one 4 KiB allocation.
 */
#define SP_SLOTS 480

/* Bytes kept of a path (PATH_MAX); a longer one is cut and flagged. */
#define SP_PATH 4096
/* Most bytes of one path component, NUL included (NAME_MAX + 1). */
#define SP_NAME 256
/* Most path components and mounts followed. */
#define SP_DEPTH 64
/* Bytes kept of the path of a script. */
#define SP_SCRIPT 1024

enum sp_abi {
	SP_ABI_NATIVE = 0,
	SP_ABI_COMPAT = 1, /* i386 on x86_64, arm on aarch64 */
	SP_ABI_X32 = 2,
};

/* What could not be recorded or watched; indexes the lost map. lost.rs has the same names. */
enum sp_lost {
	SP_LOST_ADMISSION = 0, /* a task could not be followed */
	SP_LOST_CALLS = 1,     /* the calls map was full: calls not counted */
	SP_LOST_IMAGES = 2,    /* the images map was full: counted as the unknown image */
	SP_LOST_EVENT = 3,     /* the ring buffer was full: read from the maps at the end */
	SP_LOST_RINGS = 4,     /* the map of io_uring instances was full */
	SP_LOST_SCRIPTS = 5,   /* unknown whether a script was executed: counted as the interpreter's own */
	SP_LOST_CGROUPS = 6,   /* the cgroups map was full: who is in a new cgroup is not followed */
	SP_LOST_REFUSED = 7,   /* the refused map was full: calls not told */
	SP_LOST_FILTERS = 8,   /* the code ring was full: a filter not told */
	SP_LOST_UNSETTLED = 9, /* failed calls that may have begun before the watcher came */
	SP_LOST_MEMBERS = 10,  /* the members map was full: a process is not watched */
	SP_LOST_ENDS = 11,     /* the processes map was full: an end is not told */
	SP_LOST_RESULTS = 12,  /* the results map was full: errors of calls not told */
	SP_LOST_FILES = 13,    /* what was done to a file was not told */
	SP_LOST_SOCKETS = 14,  /* what was done with a socket was not told */
	SP_LOST_CAPABILITIES = 15, /* a question for a capability was not told */
	SP_LOST_NAMES = 16,	   /* what tells a name of an address was not told */
	SP_LOST_MAX = 32,
};

/* Set before load; the verifier removes what is off. */
struct sp_config {
	__u64 hash_seed;  /* random, against paths made to collide */
	__u64 pid_ns_dev; /* device and inode of the recorder's PID namespace */
	__u64 pid_ns;
	__u32 self_pid;	      /* the recorder's own tgid in its PID namespace */
	__u32 execve_nr;      /* the native number of execve */
	__u32 page;	      /* bytes of a page */
	__u8 follow_children; /* admit the children of followed processes */
	__u8 x86;	      /* the kernel is x86_64 */
	__u8 walks;	      /* running processes are attached to */
	__u8 cgroup;	      /* the tasks of cgroups are followed, or watched */
	__u8 members;	      /* a process and its descendants are watched */
	__u8 details;	      /* arguments and results of calls are recorded */
	__u8 pad[2];
};

/* Written by user space alone, as a whole. */
struct sp_control {
	__u32 launch_pid; /* the suspended child, in the recorder's PID namespace; 0 for none */
	__u32 attaching;  /* the existing tasks are being walked: look at ancestors on fork, exec and exit */
	__u64 image;	  /* the image that user space is about to read */
	__u64 stopped;	  /* calls are no longer counted, though programs may stay attached for a while */
	/*
	 * Who was born from then on (CLOCK_BOOTTIME) and comes into a followed cgroup is followed from its
	 * exec on, others from any call on. 0: all from any call on.
	 */
	__u64 exec_from;
};

/* Written by the programs alone. */
struct sp_state {
	__u64 by_tid;	/* followed tasks in the tids map now */
	__u64 apart[7]; /* every call of the whole system reads by_tid: keep it in a cache line of its own */
	__u64 live;	/* tasks followed now */
	__u64 admitted; /* tasks ever followed */
	__u64 calls_seen;	 /* distinct (image, target, ABI, number) ever seen */
	__u64 last_new_ns;	 /* when the last of them was first seen, CLOCK_MONOTONIC */
	__u64 launched_ns;	 /* when the launched target's execve succeeded; 0 before */
	__u64 seccomp_active;	 /* admitted tasks that had a seccomp filter */
	__u64 seccomp_installed; /* tasks seen with a filter that was not there at their admission */
	__u64 uring_submitted;	 /* operations counted in the uring_ops map */
	__u64 processes;	 /* followed processes now */
	__u64 most_live;	 /* most tasks, and most processes, that were followed at a time */
	__u64 most_processes;
	__u64 most_memory;	/* most pages that one task's process had mapped */
	__u64 most_descriptors; /* the highest descriptor that a call gave, and one more */
	__u64 populated;	/* how often somebody came into an empty cgroup of a target */
	__u32 self_tgid;	/* the recorder's own tgid in the initial PID namespace, once resolved */
	__u16 asks_names;	/* somebody has asked a resolver */
	__u16 has_streams;	/* somebody has connected a stream */
};

/*
 * Where a target's cgroup will be made again: the components of its path are nodes of a tree, whose root is
 * the mount's. A component of a target's path has the number of its node; the last one its target.
 */
struct sp_component_key {
	__u32 above; /* the node above */
	char name[SP_NAME];
};

struct sp_component {
	__u32 node;
	__u32 target; /* 0 where it is only on the way to one */
};

/* The target of the recorder's own child; others have the numbers that user space gives them. Never 0. */
#define SP_TARGET_COMMAND 1

/* What is known of every followed task. */
struct sp_head {
	__u64 image; /* never 0 once it is admitted */
	__u64 flags;
	__u64 target; /* whose footprint its calls are part of; never 0 once it is admitted */
	__u64 call;   /* with config.details: the call that it is in, or was in last; see call_of */
	__u64 before; /* the image from before its last exec; 0 where none was followed */
};

#define SP_HEAD_SECCOMP 1 /* had a filter at admission */
#define SP_HEAD_ENDED 2	  /* no longer among the live ones */
#define SP_HEAD_SCRIPT 4  /* what it executed last was a script */

/* The id of what has none: no file, or more images than are kept apart. Random ids never meet it. */
#define SP_IMAGE_UNKNOWN 1

/* Task storage: a followed task and its own counters. Only the task itself writes counts. */
struct sp_task {
	struct sp_head head;
	__u64 counts[SP_SLOTS];
};

struct sp_call_key {
	__u64 image;
	__u32 target;
	__u32 abi;
	__u32 nr;
	__u32 pad;
};

struct sp_call {
	__u64 count;
	__u64 kinds; /* distinct values of its arguments; more than SP_KINDS: not all are known */
	__u64 first_ns;
	__u32 tgid;
	__u32 tid;
	char comm[16];
};

/* Most distinct values of the arguments of one call by one image that are told (ArgumentsSeen::MOST). */
#define SP_KINDS 64

/* A call by the arguments that tell such calls apart. */
struct sp_arguments_key {
	__u64 image;
	__u64 args[6]; /* those that select, else 0 */
	__u32 target;
	__u32 abi;
	__u32 nr;
	__u32 pad;
};

/* A call that failed. */
struct sp_result_key {
	__u64 image;
	__u32 target;
	__u32 abi;
	__u32 nr;
	__u16 error;   /* errno */
	__u16 refused; /* a seccomp filter gave it, and the call did not run */
};

/* A question for a capability. */
struct sp_asked_key {
	__u64 image;
	__u32 target;
	__u32 abi; /* of the call in which it was asked; all bits set where there is none */
	__u32 nr;
	__u8 capability;
	__u8 granted;
	__u16 pad;
};

/* An operation of io_uring. */
struct sp_uring_key {
	__u64 image;
	__u32 target;
	__u32 opcode;
};

/* Calls whose selecting arguments are known, for each ABI (enum sp_abi). */
#define SP_SELECTED 576
#define SP_ABIS 3

/* A walk from a file up to the root of whoever asks, and what it has found. */
struct sp_path {
	__u64 dentry; /* where it is now, and where it ends; of no use to user space */
	__u64 mnt;
	__u64 root_dentry;
	__u64 root_mnt;
	__u64 mnt_root; /* the root of the mount that it is in */
	__u32 len;	/* bytes of text: components, leaf first, each ended by NUL */
	__u32 flags;
	char text[SP_PATH + SP_NAME];
};

#define SP_PATH_CUT 1	   /* deeper or longer than was kept */
#define SP_PATH_TORN 2	   /* a name changed while it was read */
#define SP_PATH_UNLINKED 4 /* the file has no name any more, or never had one */
#define SP_PATH_KNOWN 16   /* there is a path, though it may be that of the root, which has no components */
#define SP_PATH_OUTSIDE 8  /* the walk ended elsewhere than at the root */

/* What makes two images the same: the file's identity and, for a script, the hash of its path. */
struct sp_image_key {
	__u64 ino;
	__u64 ctime_s;
	__u64 script_hash;
	__u32 ctime_ns;
	__u32 dev;
};

struct sp_image {
	struct sp_image_key key;
	__u32 tgid;	  /* of the first process that ran it */
	__u32 script_len; /* bytes of script, NUL included; 0 for none */
	char script[SP_SCRIPT];
	struct sp_path path;
};

enum sp_event_kind {
	SP_EVENT_CALL = 1,    /* a call was seen for the first time */
	SP_EVENT_IMAGE = 2,   /* an image ran for the first time */
	SP_EVENT_EMPTY = 3,   /* the last followed task ended */
	SP_EVENT_REFUSED = 4, /* a call did not run that is unlike those before */
	SP_EVENT_ENDED = 5,   /* a process ended of which a call did not run */
};

/* The ring buffer's only payload: a hint to look at a map. Losing one loses no fact. */
struct sp_event {
	__u32 kind;
	__u32 tgid;
	__u64 image;
};

/* What is sent of a file or a socket that a call had to do with, before as many bytes as it says. */
struct sp_use {
	__u64 image;
	__u64 args[2]; /* the argument with flags; the result */
	__u64 ino;     /* of the file that the descriptor is of */
	__u64 root_ino;
	__u32 mnt_ns; /* the mount namespace, and with the inode above which root the paths are seen from */
	__u32 target;
	__u32 tgid;
	__u32 nr;
	__u32 magic;	 /* of the file's file system */
	__u16 mode;	 /* of the file; 0 for none. Of a socket: its type */
	__u16 error;	 /* errno */
	__u16 found_len; /* bytes of the file's path: components, leaf first, each ended by NUL */
	__u16 base_len;	 /* the same of what a relative path begins at */
	__u16 text_len;	 /* bytes that the program gave: a path without its NUL, an address */
	__u8 abi;
	__u8 kind;	  /* enum sp_use_kind */
	__u8 found_flags; /* SP_PATH_* of each */
	__u8 base_flags;
	__u8 made; /* the call made the file */
	__u8 pad;
	__u16 protocol; /* of a socket */
	__u16 family;
	__u16 more[4];
};

enum sp_use_kind {
	SP_USE_PATH = 0,
	SP_USE_SECOND_PATH = 1,
	SP_USE_DESCRIPTOR = 2,
	SP_USE_EXEC = 3,
	SP_USE_SCRIPT = 4, /* an exec that runs an interpreter */
	SP_USE_SOCKET = 5,
	/* Of these the text is what was received or sent, and the second argument how long it was. */
	SP_USE_ANSWER = 6,
	SP_USE_REQUEST = 7,
};

/* A use that was sent. What tells uses apart is hashed, with a random seed. */
struct sp_use_key {
	__u64 image;
	__u64 call; /* target, ABI, number, kind, errno */
	__u64 hash; /* files, strings, flags */
};

/* One record of the drain iterator: a live task's count of one native call. */
struct sp_live {
	__u64 image;
	__u64 count;
	__u32 target;
	__u32 nr;
};

#endif
