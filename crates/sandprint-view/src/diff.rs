//! What two recordings have not in common, as text, JSON and Markdown.

mod json;
mod tables;

use sandprint_model::{Gap, TraceDiff, markdown};

use crate::count::counted;
use crate::escape::one_line;
use crate::{Report, gap};
use tables::{failed, failed_only, marked, one_sided, two_sided};

/// A diff of traces A and B, with what these are called, such as their files' names.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'d> {
    /// The diff.
    pub diff: &'d TraceDiff,
    /// What A is called.
    pub a: &'d str,
    /// What B is called.
    pub b: &'d str,
}

impl Report for Labelled<'_> {
    fn text(&self) -> String {
        let Labelled { diff, a, b } = self;
        let (label_a, label_b) = (one_line(a), one_line(b));
        let mut out: Vec<String> = Vec::new();
        let only = [(&label_a, &diff.calls.only_in_a), (&label_b, &diff.calls.only_in_b)];
        for (label, calls) in only {
            let count = if calls.is_empty() { "none".to_owned() } else { counted(calls.len(), "call") };
            out.push(format!("Only in {label}: {count}\n"));
            if !calls.is_empty() {
                out.push(one_sided(calls).text("  "));
            }
            out.push("\n".to_owned());
        }
        out.push(format!("In both: {}\n", counted(diff.calls.in_both.len(), "call")));
        if !diff.calls.in_both.is_empty() {
            out.push(two_sided(&diff.calls.in_both).text("  "));
        }
        for (program, calls) in diff.changed_programs() {
            out.push(format!("\n{program} differs:\n{}", marked(calls).text("  ")));
        }
        for (label, failures) in failed_only(diff, &label_a, &label_b) {
            out.push(format!("\nFailed so only in {label}:\n{}", failed(failures).text("  ")));
        }
        for (label, gaps) in [(&label_a, &diff.blocking_in_a), (&label_b, &diff.blocking_in_b)] {
            for (gap, count) in gaps {
                out.push(format!("\n{label} is incomplete: {}\n", sentence(gap, *count)));
            }
        }
        out.concat()
    }

    fn json(&self) -> String {
        json::of(self)
    }

    fn markdown(&self) -> String {
        let Labelled { diff, a, b } = self;
        let (label_a, label_b) = (markdown::prose(&one_line(a)), markdown::prose(&one_line(b)));
        let mut out = vec![format!("# System calls: {label_a} and {label_b}\n\n")];
        if diff.is_empty() {
            let count = counted(diff.calls.in_both.len(), "call");
            out.push(format!("No difference: both have the same {count}.\n\n"));
        }
        for (label, calls) in [(&label_a, &diff.calls.only_in_a), (&label_b, &diff.calls.only_in_b)] {
            if !calls.is_empty() {
                out.push(format!("## Only in {label}\n\n{}\n", one_sided(calls).markdown()));
            }
        }
        if !diff.calls.in_both.is_empty() {
            out.push(format!("## In both\n\n{}\n", two_sided(&diff.calls.in_both).markdown()));
        }
        for (program, calls) in diff.changed_programs() {
            let program = markdown::prose(&program.to_string());
            out.push(format!("## {program} differs\n\n{}\n", marked(calls).markdown()));
        }
        for (label, failures) in failed_only(diff, &label_a, &label_b) {
            out.push(format!("## Failed so only in {label}\n\n{}\n", failed(failures).markdown()));
        }
        for (label, gaps) in [(&label_a, &diff.blocking_in_a), (&label_b, &diff.blocking_in_b)] {
            for (gap, count) in gaps {
                let sentence = markdown::prose(&sentence(gap, *count));
                out.push(format!("**{label} is incomplete:** {sentence}\n\n"));
            }
        }
        format!("{}\n", out.concat().trim_end())
    }
}

fn sentence(gap: &Gap, count: u64) -> String {
    gap::sentence(gap.kind, gap.detail.as_deref(), count, None)
}

#[cfg(test)]
mod tests;
