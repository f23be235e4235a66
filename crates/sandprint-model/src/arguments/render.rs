//! A call in one line, as far as its registers tell: the way strace shows it, without what is in memory.

use super::{Kind, Selected, Set, kind_given, of, truncated};
use crate::{Abi, Syscall, Width};

/// The decoded call: `socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0)`.
///
/// Flags have the names that the ABI gives them, and what is left without a name as a number behind; addresses are
/// hexadecimal, permissions octal, descriptors and ids signed. Arguments that the kernel does not look at are left
/// out. A call without a name shows its number and six arguments. The text has printable ASCII only.
pub fn render(syscall: Syscall, args: &[u64; 6]) -> String {
    let Some(name) = syscall.name() else {
        let all: Vec<String> =
            args.iter().map(|value| address(in_register(*value, syscall.abi), "0")).collect();
        return format!("syscall_{:#x}({})", syscall.nr, all.join(", "));
    };
    let mut shown = Vec::new();
    for (index, (argument, value)) in of(syscall).iter().zip(args).enumerate() {
        if let Some(kind) = kind_given(syscall, index, args) {
            shown.push(text(syscall.abi, kind, argument.width, *value));
        }
    }
    format!("{name}({})", shown.join(", "))
}

/// One argument of a call, as far as it can be told without the others: `AF_UNIX`.
///
/// An index that the call does not have, and any of a call without a name, is shown as a hexadecimal number.
pub fn render_value(syscall: Syscall, index: usize, value: u64) -> String {
    match of(syscall).get(index) {
        Some(argument) => text(syscall.abi, argument.kind, argument.width, value),
        None => address(in_register(value, syscall.abi), "0"),
    }
}

/// The arguments that were kept of a call, by name: `family=AF_UNIX, type=SOCK_STREAM, protocol=0`.
///
/// Each is shown as what it is beside the others. Nothing that was kept is the empty text.
pub fn render_selected(syscall: Syscall, selected: &Selected) -> String {
    let registers = selected.registers();
    let shown = selected.kept().map(|(index, value)| {
        match (of(syscall).get(index), kind_given(syscall, index, &registers)) {
            (Some(argument), Some(kind)) => {
                format!("{}={}", argument.name, text(syscall.abi, kind, argument.width, value))
            }
            (Some(argument), None) => format!("{}={}", argument.name, address(value, "0")),
            (None, _) => format!("arg{index}={}", address(value, "0")),
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// What a register of the ABI holds of a value.
fn in_register(value: u64, abi: Abi) -> u64 {
    match abi {
        Abi::Arm | Abi::I386 => truncated(value, Width::Bits32),
        Abi::Aarch64 | Abi::X32 | Abi::X86_64 => value,
    }
}

fn text(abi: Abi, kind: Kind, width: Width, value: u64) -> String {
    let value = truncated(value, width);
    match kind {
        Kind::DirFd if signed(value, width) == AT_FDCWD => String::from("AT_FDCWD"),
        Kind::DirFd | Kind::Fd | Kind::Int | Kind::Pid => low(value).to_string(),
        Kind::Long | Kind::Offset => signed(value, width).to_string(),
        Kind::Uid | Kind::Gid if low(value) == -1 => String::from("-1"),
        Kind::Uid | Kind::Gid | Kind::Uint => truncated(value, Width::Bits32).to_string(),
        Kind::Size => value.to_string(),
        Kind::Mode => octal(truncated(value, Width::Bits32)),
        Kind::Pointer | Kind::Path | Kind::String => address(value, "NULL"),
        Kind::Word => address(value, "0"),
        Kind::Signal => signal(abi, value),
        Kind::One(set) => one(abi, set, width, value),
        Kind::Flags(set) => flags(abi, set, width, value),
    }
}

/// The current directory, where a descriptor is expected (linux/fcntl.h).
const AT_FDCWD: i64 = -100;

/// The first real-time signal of the kernel; libc keeps two for itself.
const SIGRTMIN: u64 = 32;

/// The last signal.
const SIGRTMAX: u64 = 64;

fn low(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

fn signed(value: u64, width: Width) -> i64 {
    match width {
        Width::Bits32 => i64::from(low(value)),
        Width::Bits64 => value.cast_signed(),
    }
}

fn address(value: u64, zero: &str) -> String {
    if value == 0 { zero.to_owned() } else { format!("{value:#x}") }
}

fn octal(value: u64) -> String {
    if value == 0 { String::from("0") } else { format!("0{value:o}") }
}

fn signal(abi: Abi, value: u64) -> String {
    if (SIGRTMIN..=SIGRTMAX).contains(&value) {
        return format!("SIGRT_{}", value - SIGRTMIN);
    }
    let name = super::tables::signals().constants(abi).find(|(_, number)| *number == value);
    name.map_or_else(|| low(value).to_string(), |(name, _)| name.to_owned())
}

fn one(abi: Abi, set: &Set, width: Width, value: u64) -> String {
    let name = set.constants(abi).find(|(_, known)| truncated(*known, width) == value);
    name.map_or_else(|| address(value, "0"), |(name, _)| name.to_owned())
}

fn flags(abi: Abi, set: &Set, width: Width, value: u64) -> String {
    let field = truncated(set.field(), width);
    let constants = || set.constants(abi).map(|(name, known)| (name, truncated(known, width)));
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = value;
    if field != 0
        && let Some((name, _)) = constants().find(|(_, known)| known & !field == 0 && *known == value & field)
    {
        parts.push(name);
        rest &= !field;
    }
    // Those with more bits first, so that O_SYNC is not taken for the O_DSYNC that is in it.
    let mut bits: Vec<(&str, u64)> =
        constants().filter(|(_, known)| *known != 0 && known & field == 0).collect();
    bits.sort_by_key(|(_, known)| std::cmp::Reverse(known.count_ones()));
    let mut found = Vec::new();
    for (name, known) in bits {
        if rest & known == known {
            found.push((known, name));
            rest &= !known;
        }
    }
    found.sort_by_key(|(known, _)| *known);
    parts.extend(found.into_iter().map(|(_, name)| name));
    if parts.is_empty() && rest == 0 {
        return constants().find(|(_, known)| *known == 0).map_or("0", |(name, _)| name).to_owned();
    }
    let mut text = parts.join("|");
    if rest != 0 {
        if !text.is_empty() {
            text.push('|');
        }
        text += &if set.rest_is_octal() { octal(rest) } else { address(rest, "0") };
    }
    text
}
