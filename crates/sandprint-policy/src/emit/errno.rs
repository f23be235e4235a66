//! Names of errno values, as far as policies answer with them. The same numbers on x86 and ARM
//! (asm-generic/errno-base.h, asm-generic/errno.h).

/// "Not implemented": what a kernel without the call answers.
pub(super) const ENOSYS: u16 = 38;

/// The C name of an errno value, where the table has it.
pub(super) fn name(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "EPERM",
        2 => "ENOENT",
        5 => "EIO",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        14 => "EFAULT",
        16 => "EBUSY",
        19 => "ENODEV",
        22 => "EINVAL",
        25 => "ENOTTY",
        30 => "EROFS",
        38 => "ENOSYS",
        95 => "EOPNOTSUPP",
        97 => "EAFNOSUPPORT",
        _ => return None,
    })
}

/// The name, or "errno N".
pub(super) fn in_words(number: u16) -> String {
    name(number).map_or_else(|| format!("errno {number}"), str::to_owned)
}

/// The name, or the number: what C and systemd both take.
pub(super) fn name_or_number(number: u16) -> String {
    name(number).map_or_else(|| number.to_string(), str::to_owned)
}
