//! A verdict for people.

use std::fmt::Write as _;

use super::{ancestry_in_words, call_in_words, location_in_words, pass_in_words, rule_in_words, summary};
use crate::Verdict;

/// Writes it: a line that says what it means, every denial with all that is known of it, the passes.
pub fn to_text(verdict: &Verdict) -> String {
    let mut text = format!("{}\n", summary(verdict));
    for denial in &verdict.denials {
        writeln!(text, "\n{}x  {}  -> {}", denial.count, call_in_words(denial), denial.action)
            .unwrap_or_default();
        writeln!(text, "    by    {} ({})", denial.image, ancestry_in_words(denial)).unwrap_or_default();
        writeln!(text, "    from  {}", location_in_words(denial)).unwrap_or_default();
        writeln!(text, "    then  {}", denial.next).unwrap_or_default();
        writeln!(text, "    rule  {}", rule_in_words(denial)).unwrap_or_default();
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
