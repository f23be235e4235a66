//! An explanation for a pull request or a document.

use std::fmt::Write as _;

use sandprint_model::markdown::{code, prose};
use sandprint_policy::explain::AbiPart;

use super::Listing;
use super::words::{alike, finding_in_words, head, numbers, seen_in_words, when};

/// Writes it.
pub(super) fn of(listing: &Listing<'_>) -> String {
    let explanation = listing.explanation;
    // Numbers, names of ABIs and actions: nothing that would need escaping.
    let mut text = head(explanation);
    for gap in &explanation.gaps {
        writeln!(text, "\nThe traces may lack calls: {}", prose(gap.meaning())).unwrap_or_default();
    }
    if !explanation.findings.is_empty() {
        text.push_str("\nValues that are not what their author's words name:\n\n");
    }
    for finding in &explanation.findings {
        let call = code(&finding.syscall.to_string());
        let (sentence, wrote) = (prose(&finding_in_words(finding)), code(&finding.wrote));
        writeln!(text, "- {call} ({}): {sentence}; the author wrote {wrote}", finding.syscall.abi)
            .unwrap_or_default();
    }
    for part in listing.parts() {
        write!(text, "\n{}\n", numbers(explanation, part)).unwrap_or_default();
        if listing.lists(part) {
            part_in_markdown(&mut text, part, explanation.runs.is_some());
        }
    }
    text
}

fn part_in_markdown(text: &mut String, part: &AbiPart, has_trace: bool) {
    for (heading, seen) in [
        ("Observed and refused", &part.refused),
        ("Observed, and allowed under conditions; a trace does not hold arguments", &part.depends),
    ] {
        if !seen.is_empty() {
            write!(text, "\n| {heading} | answer | observed |\n| --- | --- | --- |\n").unwrap_or_default();
        }
        for observed in seen {
            let call = code(&observed.call.syscall.to_string());
            let (answer, seen) = (prose(&when(&observed.call)), prose(&seen_in_words(observed)));
            writeln!(text, "| {call} | {answer} | {seen} |").unwrap_or_default();
        }
    }
    if part.unobserved.is_empty() {
        return;
    }
    let heading = if has_trace { "Allowed and never observed" } else { "Allowed" };
    write!(text, "\n| {heading} | calls | when | why |\n| --- | --- | --- | --- |\n").unwrap_or_default();
    for (purpose, group) in &part.unobserved {
        for ((when, reasons), names) in alike(group) {
            let names: Vec<String> = names.iter().map(|name| code(name)).collect();
            let reasons: Vec<String> = reasons.iter().map(|reason| prose(reason)).collect();
            let cells = [purpose.name().to_owned(), names.join(" "), prose(&when), reasons.join("<br>")];
            writeln!(text, "| {} |", cells.join(" | ")).unwrap_or_default();
        }
    }
}
