//! The forms in which a report can be asked for.

use clap::ValueEnum;
use sandprint_view::Report;

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    Text,
    /// For programs
    Json,
    /// For a pull request or a document
    Markdown,
}

impl Form {
    /// A report in this form.
    pub(crate) fn of(self, report: &impl Report) -> String {
        match self {
            Form::Text => report.text(),
            Form::Json => report.json(),
            Form::Markdown => report.markdown(),
        }
    }
}
