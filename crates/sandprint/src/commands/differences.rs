//! How commands that compare two things answer: in which form, and with which status.

use sandprint_view::Report;

use super::form::Form;
use crate::exit::ExitStatus;
use crate::output;

/// What such a command is asked for beside the two.
#[derive(Debug, clap::Args)]
pub(crate) struct AnswerArgs {
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    format: Form,

    /// End with status 3 when there is a difference
    #[arg(long)]
    exit_code: bool,
}

impl AnswerArgs {
    /// Prints the answer.
    pub(crate) fn answer(&self, report: &impl Report, differ: bool) -> anyhow::Result<ExitStatus> {
        match output::data(self.format.of(report).as_bytes()) {
            // `diff --exit-code | head` still says whether there is a difference.
            Err(output::OutputError::ReaderGone) => {}
            other => other?,
        }
        Ok(if self.exit_code && differ { ExitStatus::Different } else { ExitStatus::Success })
    }
}
