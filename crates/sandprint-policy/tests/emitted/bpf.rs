//! A classic BPF interpreter, as far as filters of libseccomp go, and what the kernel makes of their answers.
//!
//! Source: seccomp(2), `linux/filter.h`, `linux/bpf_common.h`.

use sandprint_model::{Abi, Action, Call};

/// A filter as `seccomp_export_bpf` writes it.
pub(crate) struct Program(Vec<Instruction>);

#[derive(Clone, Copy)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    k: u32,
}

impl Program {
    /// Reads an array of `struct sock_filter`.
    pub(crate) fn parse(bytes: &[u8]) -> Program {
        assert!(!bytes.is_empty() && bytes.len().is_multiple_of(8), "{} bytes", bytes.len());
        let instructions = bytes.chunks_exact(8).map(|chunk| Instruction {
            code: u16::from_le_bytes([chunk[0], chunk[1]]),
            if_true: chunk[2],
            if_false: chunk[3],
            k: u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]),
        });
        Program(instructions.collect())
    }

    /// What the filter says of a call.
    pub(crate) fn decide(&self, call: &Call) -> Action {
        let data = seccomp_data(call);
        let mut accumulator = 0u32;
        let mut at = 0;
        loop {
            let Instruction { code, if_true, if_false, k } = self.0[at];
            at += 1;
            let jump = |holds: bool| usize::from(if holds { if_true } else { if_false });
            match code {
                // BPF_LD | BPF_W | BPF_ABS
                0x20 => {
                    let word = data[k as usize..][..4].try_into().unwrap();
                    accumulator = u32::from_le_bytes(word);
                }
                // BPF_ALU | BPF_AND | BPF_K
                0x54 => accumulator &= k,
                // BPF_JMP | BPF_JA
                0x05 => at += k as usize,
                // BPF_JMP | BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET
                0x15 => at += jump(accumulator == k),
                0x25 => at += jump(accumulator > k),
                0x35 => at += jump(accumulator >= k),
                0x45 => at += jump(accumulator & k != 0),
                // BPF_RET | BPF_K
                0x06 => return action(k),
                other => panic!("instruction {other:#x} at {}", at - 1),
            }
        }
    }
}

/// `struct seccomp_data` as bytes: nr, arch, instruction pointer, six arguments.
fn seccomp_data(call: &Call) -> Vec<u8> {
    let bit = if call.syscall.abi == Abi::X32 { Abi::X32_BIT } else { 0 };
    let mut data = Vec::with_capacity(64);
    data.extend((call.syscall.nr | bit).to_le_bytes());
    data.extend(call.syscall.abi.audit_arch().to_le_bytes());
    data.extend(0u64.to_le_bytes());
    for arg in call.args {
        data.extend(arg.to_le_bytes());
    }
    data
}

/// The meaning of a filter's return value.
fn action(value: u32) -> Action {
    let data = (value & 0xffff) as u16;
    match value & 0xffff_0000 {
        0x8000_0000 => Action::KillProcess,
        0x0000_0000 => Action::KillThread,
        0x0003_0000 => Action::Trap,
        0x0005_0000 => Action::Errno(data),
        0x7fc0_0000 => Action::Notify,
        0x7ff0_0000 => Action::Trace(data),
        0x7ffc_0000 => Action::Log,
        0x7fff_0000 => Action::Allow,
        other => panic!("action {other:#x}"),
    }
}
