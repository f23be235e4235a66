//! A verdict for people.

use std::fmt::{self, Write as _};

use super::{
    TOLD, ancestry_in_words, call_in_words, location_in_words, pass_in_words, rule_in_words, summary,
};
use crate::denial::Denial;
use crate::verdict::Verdict;

/// Writes it: a line that says what it means, every denial with all that is known of it, the passes.
pub fn to_text(verdict: &Verdict) -> String {
    let mut text = format!("{}\n", summary(verdict));
    let all = || verdict.denials.iter().chain(&verdict.outside);
    for denial in all().take(TOLD) {
        text.push('\n');
        text += &denial_to_text(denial);
    }
    let more = all().skip(TOLD).count();
    if more > 0 {
        writeln!(text, "\nand {more} more kinds, which the JSON form of this report has").unwrap_or_default();
    }
    text.push('\n');
    for (number, pass) in verdict.passes.iter().enumerate() {
        writeln!(text, "pass {}: {}", number + 1, pass_in_words(pass)).unwrap_or_default();
    }
    for caveat in &verdict.caveats {
        writeln!(text, "note: {caveat}").unwrap_or_default();
    }
    text
}

/// A denial for people: the call and its answer, and below that all that is known of it.
pub fn denial_to_text(denial: &Denial) -> String {
    let mut text = String::new();
    let mut line = |words: fmt::Arguments<'_>| writeln!(text, "{words}").unwrap_or_default();
    line(format_args!("{}x  {}  -> {}", denial.count, call_in_words(denial), denial.action));
    line(format_args!("    by    {} ({})", denial.image, ancestry_in_words(denial)));
    line(format_args!("    from  {}", location_in_words(denial)));
    line(format_args!("    then  {}", denial.next));
    line(format_args!("    rule  {}", rule_in_words(denial)));
    text
}
