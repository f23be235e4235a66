//! A verdict for people.

use std::fmt::{self, Write as _};

use sandprint_model::{Denial, Verdict};

use super::{TOLD, next_in_words, number, pass_in_words, summary};
use crate::origin::{ancestry_in_words, location_in_words};
use crate::{call, rule};

/// Writes it: a line that says what it means, every denial with all that is known of it, the passes.
pub(super) fn of(verdict: &Verdict) -> String {
    let mut text = format!("{}\n", summary(verdict));
    let all = || verdict.denials.iter().chain(&verdict.outside);
    for one in all().take(TOLD) {
        text.push('\n');
        text += &denial(one);
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
pub fn denial(denial: &Denial) -> String {
    let mut text = String::new();
    let mut line = |words: fmt::Arguments<'_>| writeln!(text, "{words}").unwrap_or_default();
    line(format_args!("{}x  {}  -> {}", denial.count, call::in_words(&denial.call), denial.action));
    let ancestry = ancestry_in_words(&denial.ancestry, |process| number(process).to_string());
    line(format_args!("    by    {} ({ancestry})", denial.image));
    line(format_args!("    from  {}", location_in_words(&denial.location)));
    line(format_args!("    then  {}", next_in_words(denial.next)));
    line(format_args!("    rule  {}", rule::of_denial(denial)));
    text
}
