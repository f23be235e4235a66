//! A verdict for a pull request.

use std::fmt::Write as _;

use sandprint_model::{ByteString, is_printable};

use super::{TOLD, call_in_words, location_in_words, pass_in_words, rule_in_words, summary};
use crate::verdict::Verdict;

/// Writes it. Everything that came from the workload is within code, where nothing of it has a meaning.
pub fn to_markdown(verdict: &Verdict) -> String {
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
            code(&call_in_words(denial)),
            denial.action,
            code(&denial.image.to_string()),
            code(&location_in_words(denial)),
            denial.next,
            code(&rule_in_words(denial)),
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

/// Text as code in a cell of a table: HTML, since Markdown's backquotes do not protect a bar there.
fn code(text: &str) -> String {
    let mut out = String::from("<code>");
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // What Markdown could take for its own, inside of inline HTML too.
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '!' | ':' | '@' | '#' => {
                write!(out, "&#{};", u32::from(c)).unwrap_or_default();
            }
            c if is_printable(c) => out.push(c),
            c => out.push_str(&ByteString::from(c.encode_utf8(&mut [0; 4]) as &str).escaped()),
        }
    }
    out.push_str("</code>");
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_of_the_workload_has_a_meaning() {
        assert_eq!(super::code("a|b`<i>"), "<code>a&#124;b&#96;&lt;i&gt;</code>");
        assert_eq!(super::code("https://x @y"), "<code>https&#58;//x &#64;y</code>");
    }
}
