//! Errors of system calls: names and numbers.
//!
//! The numbers are those of asm-generic/errno-base.h and asm-generic/errno.h, which x86 and ARM use.

use std::fmt;

/// "Operation not permitted": the final answer.
pub const EPERM: u16 = 1;

/// "Not implemented": what a kernel without the call answers.
pub const ENOSYS: u16 = 38;

/// An error that a call failed with, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub u16);

impl Errno {
    /// The largest number that the kernel returns as an error (`MAX_ERRNO` of linux/err.h).
    pub const MOST: u16 = 4095;

    /// The error of a call that returned this to its program, within the kernel; none for what is no error, and where
    /// the call is made again instead (`ERESTARTSYS` to `ERESTART_RESTARTBLOCK`, include/linux/errno.h).
    pub fn of_result(result: i64) -> Option<Errno> {
        let number = u16::try_from(result.checked_neg()?).ok()?;
        ((1..=Errno::MOST).contains(&number) && !(512..=516).contains(&number)).then_some(Errno(number))
    }
}

impl fmt::Display for Errno {
    /// The name, or the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&name_or_number(self.0))
    }
}

/// The name of an error: `EPERM` for 1. None for 0, for a number beyond the last, and for 41 and 58, which were given
/// to second names of other errors and taken back.
pub fn name(number: u16) -> Option<&'static str> {
    let index = usize::from(number).checked_sub(1)?;
    NAMES.get(index).copied().filter(|name| !name.is_empty())
}

/// The number of an error. Second names are known too: `EWOULDBLOCK`, `EDEADLOCK`, `ENOTSUP`. Case matters.
pub fn number(name: &str) -> Option<u16> {
    let name = SECOND_NAMES.iter().find(|(second, _)| *second == name).map_or(name, |(_, first)| *first);
    let index = NAMES.iter().position(|known| *known == name && !name.is_empty())?;
    u16::try_from(index + 1).ok()
}

/// Names that stand for another's number; the last is libc's.
const SECOND_NAMES: &[(&str, &str)] =
    &[("EDEADLOCK", "EDEADLK"), ("EWOULDBLOCK", "EAGAIN"), ("ENOTSUP", "EOPNOTSUPP")];

/// The names of 1 and what follows, empty where there is none.
const NAMES: [&str; 133] = [
    "EPERM",
    "ENOENT",
    "ESRCH",
    "EINTR",
    "EIO",
    "ENXIO",
    "E2BIG",
    "ENOEXEC",
    "EBADF",
    "ECHILD",
    "EAGAIN",
    "ENOMEM",
    "EACCES",
    "EFAULT",
    "ENOTBLK",
    "EBUSY",
    "EEXIST",
    "EXDEV",
    "ENODEV",
    "ENOTDIR",
    "EISDIR",
    "EINVAL",
    "ENFILE",
    "EMFILE",
    "ENOTTY",
    "ETXTBSY",
    "EFBIG",
    "ENOSPC",
    "ESPIPE",
    "EROFS",
    "EMLINK",
    "EPIPE",
    "EDOM",
    "ERANGE",
    "EDEADLK",
    "ENAMETOOLONG",
    "ENOLCK",
    "ENOSYS",
    "ENOTEMPTY",
    "ELOOP",
    "",
    "ENOMSG",
    "EIDRM",
    "ECHRNG",
    "EL2NSYNC",
    "EL3HLT",
    "EL3RST",
    "ELNRNG",
    "EUNATCH",
    "ENOCSI",
    "EL2HLT",
    "EBADE",
    "EBADR",
    "EXFULL",
    "ENOANO",
    "EBADRQC",
    "EBADSLT",
    "",
    "EBFONT",
    "ENOSTR",
    "ENODATA",
    "ETIME",
    "ENOSR",
    "ENONET",
    "ENOPKG",
    "EREMOTE",
    "ENOLINK",
    "EADV",
    "ESRMNT",
    "ECOMM",
    "EPROTO",
    "EMULTIHOP",
    "EDOTDOT",
    "EBADMSG",
    "EOVERFLOW",
    "ENOTUNIQ",
    "EBADFD",
    "EREMCHG",
    "ELIBACC",
    "ELIBBAD",
    "ELIBSCN",
    "ELIBMAX",
    "ELIBEXEC",
    "EILSEQ",
    "ERESTART",
    "ESTRPIPE",
    "EUSERS",
    "ENOTSOCK",
    "EDESTADDRREQ",
    "EMSGSIZE",
    "EPROTOTYPE",
    "ENOPROTOOPT",
    "EPROTONOSUPPORT",
    "ESOCKTNOSUPPORT",
    "EOPNOTSUPP",
    "EPFNOSUPPORT",
    "EAFNOSUPPORT",
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "ENETDOWN",
    "ENETUNREACH",
    "ENETRESET",
    "ECONNABORTED",
    "ECONNRESET",
    "ENOBUFS",
    "EISCONN",
    "ENOTCONN",
    "ESHUTDOWN",
    "ETOOMANYREFS",
    "ETIMEDOUT",
    "ECONNREFUSED",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "EALREADY",
    "EINPROGRESS",
    "ESTALE",
    "EUCLEAN",
    "ENOTNAM",
    "ENAVAIL",
    "EISNAM",
    "EREMOTEIO",
    "EDQUOT",
    "ENOMEDIUM",
    "EMEDIUMTYPE",
    "ECANCELED",
    "ENOKEY",
    "EKEYEXPIRED",
    "EKEYREVOKED",
    "EKEYREJECTED",
    "EOWNERDEAD",
    "ENOTRECOVERABLE",
    "ERFKILL",
    "EHWPOISON",
];

/// The name, or "errno N".
pub fn in_words(value: u16) -> String {
    name(value).map_or_else(|| format!("errno {value}"), str::to_owned)
}

/// The name, or the number: what C and systemd both take, and a policy file.
pub fn name_or_number(value: u16) -> String {
    name(value).map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_one_to_one() {
        let named: Vec<u16> = (0..=u16::MAX).filter(|number| name(*number).is_some()).collect();
        let expected: Vec<u16> = (1..=133).filter(|number| ![41, 58].contains(number)).collect();
        assert_eq!(named, expected);
        for known in named {
            assert_eq!(number(name(known).unwrap()), Some(known));
        }
    }

    #[test]
    fn a_result_is_an_error_only_where_its_program_sees_one() {
        for (result, error) in [
            (0, None),
            (3, None),
            (-1, Some(1)),
            (-4095, Some(4095)),
            (-4096, None),
            (i64::MIN, None),
            (-511, Some(511)),
            (-512, None),
            (-516, None),
            (-517, Some(517)),
        ] {
            assert_eq!(Errno::of_result(result), error.map(Errno), "{result}");
        }
    }

    #[test]
    fn errors_that_policies_answer_with() {
        for (known, expected) in [
            (EPERM, "EPERM"),
            (11, "EAGAIN"),
            (13, "EACCES"),
            (ENOSYS, "ENOSYS"),
            (95, "EOPNOTSUPP"),
            (133, "EHWPOISON"),
        ] {
            assert_eq!(name(known), Some(expected));
        }
        for (second, expected) in [("EWOULDBLOCK", 11), ("EDEADLOCK", 35), ("ENOTSUP", 95)] {
            assert_eq!(number(second), Some(expected));
        }
        for none in ["", "eperm", "EPERM ", "ERESTARTSYS", "1"] {
            assert_eq!(number(none), None, "{none}");
        }
    }
}
