//! Kernel releases, as far as policies depend on them: major and minor.

use std::fmt;
use std::str::FromStr;

/// A kernel release such as 5.10. Patch level and distribution suffix are no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

impl KernelVersion {
    /// A release from its two numbers.
    pub const fn new(major: u16, minor: u16) -> KernelVersion {
        KernelVersion { major, minor }
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The text is no kernel release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kernel release (expected something like 5.10)")]
pub struct ParseKernelVersionError(String);

impl FromStr for KernelVersion {
    type Err = ParseKernelVersionError;

    /// Reads `5.10`, `6.1.0-50-cloud-amd64` or `6.18.44`.
    fn from_str(text: &str) -> Result<KernelVersion, ParseKernelVersionError> {
        let error = || ParseKernelVersionError(text.chars().take(80).collect());
        let (major, rest) = text.split_once('.').ok_or_else(error)?;
        let minor = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let number = |digits: &str| {
            let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            all_digits.then(|| digits.parse::<u16>().ok()).flatten()
        };
        match (number(major), number(minor)) {
            (Some(major), Some(minor)) => Ok(KernelVersion { major, minor }),
            _ => Err(error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_uname_prints() {
        for (text, expected) in [
            ("5.10", KernelVersion::new(5, 10)),
            ("6.1.0-50-cloud-amd64", KernelVersion::new(6, 1)),
            ("6.18.44-fc-v509", KernelVersion::new(6, 18)),
            ("7.3-rc1", KernelVersion::new(7, 3)),
        ] {
            assert_eq!(text.parse(), Ok(expected));
        }
        for text in ["", "6", "6.", ".1", "a.b", "6.x", "99999.1", "+5.1", "-5.1"] {
            assert!(text.parse::<KernelVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn order_is_by_number_not_by_text() {
        assert!(KernelVersion::new(5, 9) < KernelVersion::new(5, 10));
    }
}
