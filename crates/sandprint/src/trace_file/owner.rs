//! Whose files they are: under sudo, those of the user who called it.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};

/// The user and group that called sudo, as sudo says in the environment.
pub(crate) fn caller() -> Option<(u32, u32)> {
    let id = |name| std::env::var(name).ok().as_deref().and_then(parse_id);
    Some((id("SUDO_UID")?, id("SUDO_GID")?))
}

/// A user or group id: digits only, and not the one that means "leave as it is" (chown(2)).
fn parse_id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|id| *id != u32::MAX)
}

/// Whether this process runs as root: /proc/self belongs to the effective user (proc(5)).
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Gives a new file of ours to the user who called sudo.
///
/// Only where the file belongs to root, which is to say that we are: a user who merely has the variables
/// in the environment changes nothing.
pub(crate) fn hand_over(file: &File) -> io::Result<()> {
    match caller() {
        Some((user, group)) if file.metadata()?.uid() == 0 && user != 0 => {
            fchown(file, Some(user), Some(group))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_are_taken() {
        for (text, expected) in [
            ("1000", Some(1000)),
            ("0", Some(0)),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1 ", None),
            ("4294967295", None),
            ("4294967296", None),
        ] {
            assert_eq!(parse_id(text), expected, "{text}");
        }
    }
}
