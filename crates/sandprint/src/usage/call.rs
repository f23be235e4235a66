//! A system call as it is written on the command line: `socket(AF_INET, 1, 0)`, `i386:getpid`.

use sandprint_model::{Abi, Call, Syscall, arguments};

/// A call, whose name is looked up once the ABI is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// As it was written.
    pub(crate) text: String,
    abi: Option<Abi>,
    name: String,
    args: Vec<String>,
}

/// Something in a call that does not exist in its ABI.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    /// The call.
    #[error("{abi} has no system call `{name}`")]
    Syscall {
        /// Where it was looked for.
        abi: Abi,
        /// What was written.
        name: String,
    },
    /// An argument that is neither a number nor a constant.
    #[error("`{text}` is no number, and no constant of {abi}")]
    Argument {
        /// Where it was looked for.
        abi: Abi,
        /// What was written.
        text: String,
    },
}

impl Written {
    /// The call, in the native ABI where none was written.
    pub(crate) fn resolve(&self, native: Abi) -> Result<Call, Unknown> {
        let abi = self.abi.unwrap_or(native);
        let by_number = || self.name.parse().ok().map(|nr| Syscall { abi, nr });
        let syscall = Syscall::from_name(abi, &self.name).or_else(by_number);
        let syscall = syscall.ok_or_else(|| Unknown::Syscall { abi, name: self.name.clone() })?;
        let mut args = [0; 6];
        for (value, written) in args.iter_mut().zip(&self.args) {
            *value =
                argument(abi, written).ok_or_else(|| Unknown::Argument { abi, text: written.clone() })?;
        }
        Ok(Call { syscall, args })
    }
}

/// Reads it.
pub(crate) fn parse(text: &str) -> Result<Written, String> {
    let (abi, rest) = match text.split_once(':') {
        Some((abi, rest)) => {
            let names = || Abi::ALL.map(Abi::name).join(", ");
            (Some(Abi::from_name(abi.trim()).ok_or_else(|| format!("`{abi}` is none of {}", names()))?), rest)
        }
        None => (None, text),
    };
    let (name, args) = match rest.split_once('(') {
        Some((name, args)) => (name, args.trim_end().strip_suffix(')').ok_or("the closing `)` is missing")?),
        None => (rest, ""),
    };
    let name = name.trim();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err("expected something like `socket(2, 1, 0)`".to_owned());
    }
    let written = args.split(',').map(|arg| arg.trim().to_owned());
    let args: Vec<String> = if args.trim().is_empty() { Vec::new() } else { written.collect() };
    if args.len() > 6 {
        return Err(format!("a system call has at most 6 arguments, and these are {}", args.len()));
    }
    Ok(Written { text: text.to_owned(), abi, name: name.to_owned(), args })
}

/// An argument: numbers and constants, joined by `|`.
fn argument(abi: Abi, text: &str) -> Option<u64> {
    text.split('|')
        .map(str::trim)
        .try_fold(0, |value, part| Some(value | number(part).or_else(|| arguments::constant(abi, part))?))
}

/// A register's value: decimal, hexadecimal, octal, or negative as C would pass it.
fn number(text: &str) -> Option<u64> {
    let unsigned = |text: &str| {
        if let Some(digits) = text.strip_prefix("0x") {
            u64::from_str_radix(digits, 16).ok()
        } else if let Some(digits) = text.strip_prefix("0o") {
            u64::from_str_radix(digits, 8).ok()
        } else {
            text.parse().ok()
        }
    };
    match text.strip_prefix('-') {
        Some(rest) => unsigned(rest).filter(|value| *value <= 1 << 63).map(u64::wrapping_neg),
        None if text.starts_with('+') => None,
        None => unsigned(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_as_c_writes_them() {
        for (text, abi, nr, args) in [
            ("socket(2, 1, 0)", Abi::X86_64, 41, [2, 1, 0, 0, 0, 0]),
            ("getpid", Abi::X86_64, 39, [0; 6]),
            ("getpid()", Abi::X86_64, 39, [0; 6]),
            ("i386:getpid", Abi::I386, 20, [0; 6]),
            ("openat(-100,0x10, 0o644)", Abi::X86_64, 257, [u64::MAX - 99, 16, 420, 0, 0, 0]),
            ("400(1,2,3,4,5,6)", Abi::X86_64, 400, [1, 2, 3, 4, 5, 6]),
            ("socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC)", Abi::X86_64, 41, [2, 0x80001, 0, 0, 0, 0]),
            (" read ( 0xffffffffffffffff ) ", Abi::X86_64, 0, [u64::MAX, 0, 0, 0, 0, 0]),
        ] {
            let call = parse(text).unwrap().resolve(Abi::X86_64).unwrap();
            assert_eq!(call, Call { syscall: Syscall { abi, nr }, args }, "{text}");
        }
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for (text, words) in [
            ("", "something like"),
            ("socket(2", "closing"),
            ("socket(1,2,3,4,5,6,7)", "these are 7"),
            ("vax:read", "none of"),
            ("re ad(1)", "something like"),
        ] {
            assert!(parse(text).unwrap_err().contains(words), "{text}: {:?}", parse(text));
        }
        for text in ["socketcall", "socket(2,)", "socket(AF_INTE)", "read(0x10000000000000000)", "read(1||2)"]
        {
            assert!(parse(text).unwrap().resolve(Abi::X86_64).is_err(), "{text}");
        }
    }
}
