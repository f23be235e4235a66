//! A verdict for a pull request.

use std::fmt::Write as _;

use sandprint_model::Verdict;
use sandprint_model::markdown::code;

use super::{TOLD, next_in_words, pass_in_words, summary};
use crate::origin::location_in_words;
use crate::{call, rule};

/// Writes it. Everything that came from the workload is within code, where nothing of it has a meaning.
pub(super) fn of(verdict: &Verdict) -> String {
    let mut text = format!("**{}**\n", summary(verdict));
    if !verdict.denials.is_empty() || !verdict.outside.is_empty() {
        text.push_str("\n| times | call | answer | program | code | then | smallest rule |\n");
        text.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    }
    let all = || verdict.denials.iter().chain(&verdict.outside);
    for denial in all().take(TOLD) {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            denial.count,
            code(&call::in_words(&denial.call)),
            denial.action,
            code(&denial.image.to_string()),
            code(&location_in_words(&denial.location)),
            next_in_words(denial.next),
            code(&rule::of_denial(denial)),
        )
        .unwrap_or_default();
    }
    let more = all().skip(TOLD).count();
    if more > 0 {
        writeln!(text, "\nAnd {more} more kinds, which the JSON form of this report has.")
            .unwrap_or_default();
    }
    text.push('\n');
    for pass in &verdict.passes {
        writeln!(text, "- {}", pass_in_words(pass)).unwrap_or_default();
    }
    for caveat in &verdict.caveats {
        writeln!(text, "- {caveat}").unwrap_or_default();
    }
    text
}
