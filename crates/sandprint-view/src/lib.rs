//! Reports as people and programs read them: text, JSON, Markdown and SARIF. Other crates make the reports, as plain
//! data that does not know how it is printed.
//!
//! - [`mod@trace`]: what was recorded.
//! - [`coverage`]: what each recording adds.
//! - [`diff`]: what two recordings have not in common; [`policy_diff`]: what two policies say differently.
//! - [`explanation`]: what a policy allows and why.
//! - [`answer`]: what a policy says of one call.
//! - [`faults`]: what is wrong with policies.
//! - [`verdict`]: what a trial of a policy showed.
//!
//! What several of them say is said in one place: [`count`], [`origin`], [`call`], [`rule`], `gap`, `exit`, `time`;
//! `table` aligns columns, and `escape` writes text of others, as [`sandprint_model::markdown`] does for Markdown. Text
//! for people is meant for terminals of 80 columns; what is a list is broken in lines, what is a sentence is not.
//!
//! This crate is pure: no IO, no clock, no environment, no threads.

pub mod answer;
pub mod call;
pub mod count;
pub mod coverage;
pub mod diff;
mod escape;
mod exit;
pub mod explanation;
pub mod faults;
mod gap;
pub mod origin;
pub mod policy_diff;
pub mod rule;
mod table;
mod time;
pub mod trace;
pub mod verdict;

/// Columns of a terminal: where lists are broken.
const COLUMNS: usize = 80;

/// What can be written in each of the forms that commands offer.
pub trait Report {
    /// For people at a terminal.
    fn text(&self) -> String;

    /// For programs. What came from processes and files is in its escaped form.
    fn json(&self) -> String;

    /// For a pull request or a document.
    fn markdown(&self) -> String;
}

/// JSON with indents and a newline at its end.
fn json(value: &impl serde::Serialize) -> String {
    // Strings, numbers and lists of them cannot fail to serialize.
    sandprint_model::json_pretty(value).unwrap_or_default() + "\n"
}
