/* Signal handlers without a C library. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include "raw.h"

/* The kernel's struct sigaction: 64-bit machines only. */
struct action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

#define RESTORER 0x04000000
#define NO_DEFER 0x40000000

#if defined(__x86_64__)
void return_from_signal(void);
__asm__("return_from_signal:\n\tmovl $15, %eax\n\tsyscall\n");
#endif

/* Installs a handler. One rt_sigaction; each signal handled later makes one rt_sigreturn. */
static long handle(int signal, void (*handler)(int), unsigned long flags)
{
	struct action action = { .handler = handler, .flags = flags };

#if defined(__x86_64__)
	action.flags |= RESTORER;
	action.restorer = return_from_signal;
#endif
	return sys(__NR_rt_sigaction, signal, &action, 0, 8);
}

#endif
