/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Atomic operations that return what was there (5.12: 5ffa25502b5a, 5ca419f2864a, 981f94c3e921). Only
 * programs for task storage use them, which need 6.2 anyway. They are written as bytes because clang
 * has them from -mcpu=v3 on only, and the programs for older kernels are to stay free of what that brings.
 */
#ifndef SANDPRINT_ATOMIC_H
#define SANDPRINT_ATOMIC_H

/*
 * BPF_STX | BPF_ATOMIC | BPF_DW with the address in r1 and the operand in r2; the operation is in the
 * immediate: BPF_OR | BPF_FETCH, BPF_XCHG, BPF_CMPXCHG (linux/bpf.h). The kernel's own byte order.
 */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "written for little-endian machines"
#endif
#define SP_ATOMIC(operation) ".byte 0xdb, 0x21, 0, 0, " operation ", 0, 0, 0"

/* Sets bits; returns what was there. */
static __always_inline u64 fetch_or(u64 *slot, u64 bits)
{
	register u64 *address asm("r1") = slot;
	register u64 operand asm("r2") = bits;

	asm volatile(SP_ATOMIC("0x41") : "+r"(operand) : "r"(address) : "memory");
	return operand;
}

/* Puts in a value; returns what was there. */
static __always_inline u64 exchange(u64 *slot, u64 value)
{
	register u64 *address asm("r1") = slot;
	register u64 operand asm("r2") = value;

	asm volatile(SP_ATOMIC("0xe1") : "+r"(operand) : "r"(address) : "memory");
	return operand;
}

/* Puts in a value where there is 0; returns what was there. */
static __always_inline u64 claim(u64 *slot, u64 value)
{
	register u64 *address asm("r1") = slot;
	register u64 operand asm("r2") = value;
	register u64 found asm("r0") = 0;

	asm volatile(SP_ATOMIC("0xf1") : "+r"(found) : "r"(address), "r"(operand) : "memory");
	return found;
}

#endif
