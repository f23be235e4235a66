/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The kernel fields that the recorder reads, and no others; CO-RE finds them on the running kernel. Every
 * struct that a program begins to read from costs libbpf a walk over all types of the kernel, so a field of
 * an earlier kernel stands beside its successor, and not in a struct of its own.
 */
#ifndef SANDPRINT_KERNEL_H
#define SANDPRINT_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;
typedef _Bool bool;

#define true 1
#define false 0
#ifndef NULL
#define NULL ((void *)0)
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
};

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	u16 i_mode;
	/* Each kernel has one of these three; see read_ctime. */
	struct timespec64 i_ctime;
	struct timespec64 __i_ctime;
	s64 i_ctime_sec;
	u32 i_ctime_nsec;
};

struct qstr {
	u64 hash_len;
	const unsigned char *name;
};

struct seqcount {
	unsigned int sequence;
};

struct seqcount_spinlock {
	struct seqcount seqcount;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};

struct dentry {
	struct seqcount_spinlock d_seq;
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	u32 f_mode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct mm_struct {
	struct file *exe_file;
	unsigned long total_vm;
};

struct fs_struct {
	struct path root;
	struct path pwd;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

struct sock_common {
	u16 skc_family;
	u16 skc_dport;
};

struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol;
	u16 sk_type;
};

struct socket {
	struct sock *sk;
};

struct sock_fprog_kern {
	u16 len;
	void *filter;
};

struct bpf_prog {
	struct sock_fprog_kern *orig_prog;
};

struct seccomp_filter {
	struct seccomp_filter *prev;
	struct bpf_prog *prog;
	void *notif;
};

struct seccomp {
	int mode;
	struct seccomp_filter *filter;
};

struct thread_info {
	unsigned long flags;
	u32 status; /* x86 only */
};

struct list_head {
	struct list_head *next;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_pgoff;
	struct file *vm_file;
};

struct kernfs_node {
	/* Each kernel has one of these two; see parent_of. */
	struct kernfs_node *parent;
	struct kernfs_node *__parent;
	const char *name;
	u64 id;
};

struct cgroup_subsys_state {
	struct cgroup_subsys_state *parent;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct kernel_siginfo {
	int si_code;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
};

struct cred;

struct task_struct {
	struct thread_info thread_info;
	void *stack;
	int pid;
	int tgid;
	int exit_code;
	u32 flags;
	u32 ptrace;
	struct task_struct *real_parent;
	struct list_head children;
	struct list_head sibling;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	struct mm_struct *active_mm;
	const struct cred *real_cred;
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct pid *thread_pid;
	struct seccomp seccomp;
	void *bpf_storage;
	struct signal_struct *signal;
	struct css_set *cgroups;
	u64 start_boottime;
	char comm[16];
};

struct linux_binprm {
	struct file *file;
	const char *filename;
	const char *interp;
};

struct io_kiocb {
	void *ctx;
	u8 opcode;
};

/* The registers of x86 and of arm64: one of them is the kernel's. */

struct pt_regs___x86 {
	unsigned long bp, bx, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip;
};

struct pt_regs___arm64 {
	u64 regs[31];
	u64 pc;
	u64 orig_x0;
	s32 syscallno;
};

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key;
	void *value;
};

/* What the tracepoints tell programs of the type `tracepoint`. */

struct trace_event_raw_sys_enter {
	long id;
};

struct trace_event_raw_sys_exit {
	long id;
	long ret;
};

struct trace_event_raw_signal_generate {
	int sig;
	int code;
};

struct trace_event_raw_sched_process_fork {
	int child_pid;
};

struct trace_event_raw_sched_process_exec {
	u32 __data_loc_filename;
	int old_pid;
};

struct trace_event_raw_cap_capable {
	const struct cred *cred;
	int cap;
	int ret;
};

struct trace_event_raw_io_uring_create {
	void *ctx;
};

struct trace_event_raw_io_uring_submit_req {
	void *ctx;
	u8 opcode;
};

#pragma clang attribute pop

/* linux/sched.h: the task is ending. */
#define PF_EXITING 0x00000004
/* linux/sched.h: a signal ended the task. */
#define PF_SIGNALED 0x00000400
/* asm/signal.h, asm-generic/siginfo.h: a filter sent the signal. */
#define SIGSYS 31
#define SYS_SECCOMP 1
/* linux/seccomp.h: what a filter has ended (495ac3069a66). */
#define SECCOMP_MODE_DEAD 3
/* linux/errno.h: the call is made again, or is said to have been interrupted. */
#define ERESTARTSYS 512
#define ERESTART_RESTARTBLOCK 516
/* linux/err.h */
#define MAX_ERRNO 4095
/* linux/fs.h: this very open made the file. */
#define FMODE_CREATED 0x100000
/* linux/fcntl.h */
#define AT_FDCWD -100
/* linux/openat2.h: the directory is the root. */
#define RESOLVE_IN_ROOT 0x10
/* linux/stat.h */
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFBLK 0060000
#define S_IFCHR 0020000
/* asm-generic/mman-common.h */
#define PROT_EXEC 0x4
#define MAP_ANONYMOUS 0x20
/* errno.h, which brings more than this. */
#define E2BIG 7
#define EEXIST 17
#define EINTR 4
#define EINPROGRESS 115
#define EBADF 9
#define ENOTSOCK 88
#define EFAULT 14
/* asm/thread_info.h of x86: the task is in a 32-bit system call. */
#define TS_COMPAT 0x0002
/* asm/thread_info.h of arm64: the task runs 32-bit code. */
#define TIF_32BIT_MASK (1UL << 22)
/* asm/unistd.h of x86: set in the number of an x32 call. */
#define X32_SYSCALL_BIT 0x40000000

#endif
