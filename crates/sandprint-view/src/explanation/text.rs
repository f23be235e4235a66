//! An explanation for people.

use std::fmt::Write as _;

use sandprint_policy::explain::AbiPart;

use super::Listing;
use super::words::{alike, finding_in_words, head, numbers, reasons, seen_in_words, when};
use crate::COLUMNS;
use crate::count::counted;
use crate::escape::one_line;

/// Writes it.
pub(super) fn of(listing: &Listing<'_>) -> String {
    let explanation = listing.explanation;
    let mut text = head(explanation);
    for gap in &explanation.gaps {
        line(&mut text, 0, &format!("the traces may lack calls: {}", gap.meaning()));
    }
    if !explanation.findings.is_empty() {
        text.push_str("\nvalues that are not what their author's words name:\n");
    }
    for finding in &explanation.findings {
        line(
            &mut text,
            2,
            &format!("{} {}: {}", finding.syscall.abi, finding.syscall, finding_in_words(finding)),
        );
        line(&mut text, 4, &format!("the author wrote: {}", one_line(&finding.wrote)));
    }
    for part in listing.parts() {
        line(&mut text, 0, "");
        line(&mut text, 0, &numbers(explanation, part));
        if listing.lists(part) {
            part_in_text(&mut text, part, explanation.runs.is_some());
        } else {
            line(&mut text, 2, &format!("not listed: `--abi {}` lists them", part.abi));
        }
    }
    text
}

fn part_in_text(text: &mut String, part: &AbiPart, has_trace: bool) {
    for (heading, seen) in [
        ("observed and refused", &part.refused),
        ("observed, and allowed under conditions; a trace does not hold arguments", &part.depends),
    ] {
        if !seen.is_empty() {
            line(text, 2, &format!("{heading}:"));
        }
        for observed in seen {
            line(text, 4, &format!("{}: {}", observed.call.syscall, when(&observed.call)));
            line(text, 6, &seen_in_words(observed));
            for reason in reasons(&observed.call) {
                line(text, 6, &reason);
            }
        }
    }
    if !part.unobserved.is_empty() {
        line(text, 2, if has_trace { "allowed and never observed:" } else { "allowed:" });
    }
    for (purpose, group) in &part.unobserved {
        line(
            text,
            4,
            &format!("{}, {}: {}", purpose.name(), counted(group.len(), "call"), purpose.summary()),
        );
        for ((when, reasons), names) in alike(group) {
            let mut current = String::new();
            for name in &names {
                if !current.is_empty() && 6 + current.len() + 2 + name.len() >= COLUMNS {
                    line(text, 6, &format!("{current},"));
                    current.clear();
                }
                current += if current.is_empty() { "" } else { ", " };
                current += name;
            }
            line(text, 6, &if when.is_empty() { current } else { format!("{current}: {when}") });
            for reason in reasons {
                line(text, 8, &reason);
            }
        }
    }
}

fn line(text: &mut String, indent: usize, words: &str) {
    writeln!(text, "{:indent$}{words}", "").unwrap_or_default();
}
