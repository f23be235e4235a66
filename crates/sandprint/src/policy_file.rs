//! Policy files: the one place that reads a policy, in whichever form it was written.

use std::path::{Path, PathBuf};

use sandprint_model::Policy;
use sandprint_model::wire::{self, DecodeError, LooksLike};

use crate::output::quote;
use crate::trace_file::{self, ReadError};

/// The largest policy that is read, in bytes. One with every call of every ABI and its reasons takes a few hundred
/// kilobytes.
const POLICY_LIMIT: u64 = 16 << 20;

/// A file could not be read, or is no policy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyFileError {
    /// It cannot be read.
    #[error(transparent)]
    Read(ReadError),
    /// It holds no policy that this version can read.
    #[error("failed to read {} as a policy", name(path))]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: DecodeError,
    },
}

impl PolicyFileError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            PolicyFileError::Read(ReadError::TooLarge { .. }) => {
                "this is not what sandprint writes; check the name"
            }
            PolicyFileError::Read(ReadError::Empty(_)) => {
                "it may have been emptied by a redirection (`> FILE`) before it was read; generate it again"
            }
            PolicyFileError::Read(_) => {
                "check the name; `sandprint profile generate -f json -i TRACE -o FILE` writes a policy"
            }
            PolicyFileError::Decode { source, .. } => of_decode(source),
        }
    }
}

fn of_decode(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Newer { .. } => "read it with the sandprint that wrote it, or a newer one",
        DecodeError::Truncated { .. } | DecodeError::Empty { .. } => {
            "the file was cut off, perhaps by a copy that did not end; copy or generate it again"
        }
        DecodeError::Foreign { looks_like: LooksLike::Trace, .. } => {
            "make a policy of it first: `sandprint profile generate -f json -i TRACE -o FILE`"
        }
        DecodeError::Foreign { looks_like: LooksLike::SeccompProfile, .. } => {
            "give the policy itself, which `sandprint profile generate -f json` writes, not a profile made from it"
        }
        DecodeError::Foreign { .. } | DecodeError::Syntax { .. } => {
            "give a file that `sandprint profile generate -f json` wrote"
        }
        DecodeError::Shape { .. } | DecodeError::Content { .. } => {
            "the file was changed after sandprint wrote it; generate it again"
        }
    }
}

/// Reads a policy from a file, or from standard input for `-`.
///
/// What form it has, its content says and not its name.
pub(crate) fn read(path: &Path) -> Result<Policy, PolicyFileError> {
    let bytes = trace_file::read_bytes(path, POLICY_LIMIT).map_err(PolicyFileError::Read)?;
    decode(&bytes).map_err(|source| PolicyFileError::Decode { path: path.to_owned(), source })
}

/// The only form so far: sandprint's own JSON.
fn decode(bytes: &[u8]) -> Result<Policy, DecodeError> {
    wire::decode_policy(bytes)
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { quote(path) }
}
