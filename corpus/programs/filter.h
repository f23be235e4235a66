/* A seccomp filter that treats one call number in its own way and allows the rest. Two calls. */
#ifndef FILTER_H
#define FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include "raw.h"

static long install_filter(unsigned int nr, unsigned int action, unsigned int flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0 /* the number */),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };

	sys(__NR_prctl, 38 /* no new privileges */, 1, 0, 0, 0);
	return sys(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

#endif
