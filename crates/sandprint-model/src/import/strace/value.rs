//! The number that a value of an strace log stands for: `O_RDONLY|O_CLOEXEC`, `0x80000`, `0644`, `-1`, `TCGETS`.
//!
//! What is not known for sure is no number: a name that the tables do not have, an address that strace followed
//! (`[1]`, `{...}`, `"text"`).

use super::parts::plain;
use crate::Abi;
use crate::arguments::constant;

/// The longest value that is looked at. Sets of all flags have some 400 bytes.
const LONGEST: usize = 4096;

/// The number that a value stands for on an ABI. One below zero is sign-extended.
pub(super) fn value(abi: Abi, text: &[u8]) -> Option<u64> {
    if matches!(text.first(), None | Some(b'"' | b'{' | b'[' | b'~')) {
        return None;
    }
    let text = plain(text);
    let text = str::from_utf8(&text).ok().filter(|text| text.len() <= LONGEST)?.trim_ascii();
    // A number that several drivers use has all their names: `BTRFS_IOC_CLONE or FICLONE`.
    if text.contains(" or ") {
        let mut known = text.split(" or ").filter_map(|name| term(abi, name));
        let first = known.next()?;
        return known.all(|other| other == first).then_some(first);
    }
    any_of(abi, text)
}

/// Flags, or one of anything.
fn any_of(abi: Abi, text: &str) -> Option<u64> {
    let (mut sum, mut depth, mut start) = (0, 0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1)?,
            b'|' if depth == 0 => {
                sum |= term(abi, text.get(start..at)?)?;
                start = at + 1;
            }
            _ => {}
        }
    }
    Some(sum | term(abi, text.get(start..)?)?)
}

fn term(abi: Abi, text: &str) -> Option<u64> {
    if let Some((number, by)) = text.split_once("<<") {
        let by = u32::try_from(simple(abi, by)?).ok()?;
        return simple(abi, number)?.checked_shl(by);
    }
    if let Some(inner) = text.strip_prefix("htons(") {
        return Some(host_order(abi, inner.strip_suffix(')')?)?.swap_bytes().into());
    }
    if let Some(inner) = text.strip_prefix("_IOC(") {
        return ioctl_number(abi, inner.strip_suffix(')')?);
    }
    simple(abi, text)
}

fn simple(abi: Abi, text: &str) -> Option<u64> {
    match text {
        "NULL" => Some(0),
        _ if text.starts_with(|first: char| first.is_ascii_digit() || first == '-') => number(text),
        _ => signal(text).or_else(|| constant(abi, text)).or_else(|| private(abi, text)),
    }
}

/// A number, octal where it begins with 0: modes.
fn number(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix('-') {
        let digits = digits.parse::<u64>().ok()?;
        return (digits <= 1 << 63).then(|| digits.wrapping_neg());
    }
    let (digits, base) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => match text.strip_prefix('0').filter(|digits| !digits.is_empty()) {
            Some(digits) => (digits, 8),
            None => (text, 10),
        },
    };
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, base).ok() }
}

/// `FUTEX_WAKE_PRIVATE`: an operation and a flag in one name (linux/futex.h).
fn private(abi: Abi, text: &str) -> Option<u64> {
    let operation = text.strip_suffix("_PRIVATE").filter(|operation| operation.starts_with("FUTEX_"))?;
    Some(constant(abi, operation)? | constant(abi, "FUTEX_PRIVATE_FLAG")?)
}

/// A signal for programs: `SIGRT_3` is the third behind `SIGRTMIN`, which strace takes for the kernel's, 32.
fn signal(text: &str) -> Option<u64> {
    const FIRST: u64 = 32;
    let number = text.strip_prefix("SIGRT_")?.parse::<u64>().ok()?;
    FIRST.checked_add(number).filter(|signal| *signal <= 64)
}

/// A number that is given in network byte order: a port, a protocol of Ethernet (`linux/if_ether.h`).
fn host_order(abi: Abi, text: &str) -> Option<u16> {
    Some(match text {
        "ETH_P_ALL" => 3,
        "ETH_P_IP" => 0x800,
        "ETH_P_ARP" => 0x806,
        "ETH_P_8021Q" => 0x8100,
        "ETH_P_IPV6" => 0x86dd,
        "ETH_P_PAE" => 0x888e,
        _ => simple(abi, text)?.try_into().ok()?,
    })
}

/// A command of ioctl without a name: direction, type, number, size (asm-generic/ioctl.h), as x86 and ARM have it.
fn ioctl_number(abi: Abi, inner: &str) -> Option<u64> {
    let mut parts = inner.split(", ");
    let (direction, kind, nr, size) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let direction = direction.split('|').try_fold(0, |sum, word| match word {
        "_IOC_NONE" => Some(sum),
        "_IOC_WRITE" => Some(sum | 1),
        "_IOC_READ" => Some(sum | 2),
        number => simple(abi, number).filter(|number| *number <= 3).map(|number| sum | number),
    })?;
    let (kind, nr, size) = (simple(abi, kind)?, simple(abi, nr)?, simple(abi, size)?);
    let fits = parts.next().is_none() && kind <= 0xff && nr <= 0xff && size <= 0x3fff;
    fits.then_some(direction << 30 | size << 16 | kind << 8 | nr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_strace_writes_them() {
        for (text, expected) in [
            ("O_RDONLY", Some(0)),
            ("O_RDONLY|O_CLOEXEC|O_DIRECTORY", Some(0x90000)),
            ("PROT_READ|0x100", Some(0x101)),
            ("S_IFIFO|0644", Some(0o10_644)),
            ("0644", Some(0o644)),
            ("0", Some(0)),
            ("022", Some(0o22)),
            ("100", Some(100)),
            ("-1", Some(u64::MAX)),
            ("NULL", Some(0)),
            ("0xffffffffffffffb8", Some(0xffff_ffff_ffff_ffb8)),
            ("0x1 /* SOCK_STREAM */|0x80000 /* SOCK_CLOEXEC */", Some(0x80001)),
            ("0x800 /* MSG_??? */", Some(0x800)),
            ("CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD", Some(0x0120_0011)),
            ("0x1200000|17", Some(0x0120_0011)),
            ("SIGRT_3", Some(35)),
            ("SIGRTMIN", Some(32)),
            ("MAP_PRIVATE|21<<26", Some(0x5400_0002)),
            ("TCGETS", Some(0x5401)),
            ("NOBODY_KNOWS or TCGETS", Some(0x5401)),
            ("TCGETS or TIOCGWINSZ", None),
            ("_IOC(_IOC_NONE, 0x56, 0x78, 0x1234)", Some(0x1234_5678)),
            ("_IOC(_IOC_READ|_IOC_WRITE, 0x54, 0x30, 0x4)", Some(0xc004_5430)),
            ("_IOC(_IOC_READ, 0x54, 0x30)", None),
            ("_IOC(_IOC_READ, 0x154, 0x30, 0x4)", None),
            ("FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME", Some(0x189)),
            ("FUTEX_NOBODY_PRIVATE", None),
            ("htons(ETH_P_ALL)", Some(0x300)),
            ("htons(0x3 /* ETH_P_ALL */)", Some(0x300)),
            ("htons(65536)", None),
            ("flags=MSG_DONTWAIT", Some(0x40)),
            ("O_RDONLY|O_NOBODY_KNOWS", None),
            ("O_RDONLY|", None),
            ("", None),
            ("[1]", None),
            ("\"1\"", None),
            ("1...", None),
            ("089", None),
            ("--1", None),
            ("0x", None),
            ("1<<64", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(value(Abi::X86_64, text.as_bytes()), expected, "{text}");
        }
        assert_eq!(value(Abi::Arm, b"O_RDONLY|O_DIRECTORY"), Some(0o40_000));
        assert_eq!(value(Abi::I386, b"F_SETLK64"), Some(13));
    }
}
