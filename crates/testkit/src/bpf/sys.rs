//! The one system call of these tests that the standard library does not wrap.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Tries to load the smallest BPF program of the type that the recorder cannot do without.
pub fn load_smallest_program() -> io::Result<()> {
    const PROG_LOAD: libc::c_long = 5;
    const RAW_TRACEPOINT: u64 = 17;
    // r0 = 0; exit (linux/bpf.h: BPF_ALU64 | BPF_MOV | BPF_K, BPF_JMP | BPF_EXIT).
    let code: [u64; 2] = [0xb7, 0x95];
    let license = c"GPL";
    // union bpf_attr: prog_type and insn_cnt, insns, license, then zeros.
    let mut attr = [0_u64; 16];
    attr[0] = RAW_TRACEPOINT | (code.len() as u64) << 32;
    attr[1] = code.as_ptr() as u64;
    attr[2] = license.as_ptr() as u64;
    // SAFETY: `attr` is a whole, initialized bpf_attr of the size given, and what it points to outlives
    // the call, which only reads.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, attr.as_ptr(), size_of_val(&attr)) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).expect("a descriptor is an int");
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(())
}
