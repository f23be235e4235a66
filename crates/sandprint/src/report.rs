//! An error at the end of a command: said with its hint, and turned into an exit status.

use crate::exit::{self, ExitStatus};
use crate::hint;
use crate::output::{self, OutputError};

/// Says why the command failed and what to do about it, once; gives the status to end with.
///
/// A reader that closed our pipe early is no failure, and nothing is said.
pub(crate) fn report(error: &anyhow::Error, failure: ExitStatus) -> ExitStatus {
    let gone = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref::<OutputError>(), Some(OutputError::ReaderGone))
    };
    if error.chain().any(gone) {
        return ExitStatus::Success;
    }
    output::error(&format!("{error:#}"), &hint::of(error));
    exit::status_of(error, failure)
}
