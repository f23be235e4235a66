//! The reasons of a rule in words, for a comment beside it. They came from the workload: the caller escapes them.

use std::collections::BTreeSet;
use std::fmt::Write;

use sandprint_model::Reason;

/// How many programs a comment names.
const NAMED_IMAGES: usize = 3;

/// All of them on one line.
pub(super) fn in_words<'r>(reasons: impl Iterator<Item = &'r Reason>) -> String {
    let all: BTreeSet<String> = reasons.map(reason_in_words).collect();
    all.into_iter().collect::<Vec<_>>().join("; ")
}

fn reason_in_words(reason: &Reason) -> String {
    match reason {
        Reason::Observed { count, runs, images } => {
            let plural = if *runs == 1 { "" } else { "s" };
            let mut words = format!("observed: {count} in {runs} run{plural}");
            for (place, image) in images.iter().take(NAMED_IMAGES).enumerate() {
                words.push_str(if place == 0 { ", by " } else { ", " });
                words.push_str(&image.to_string());
            }
            if images.len() > NAMED_IMAGES {
                // Writing to a String cannot fail.
                write!(words, " and {} more", images.len() - NAMED_IMAGES).unwrap_or_default();
            }
            words
        }
        Reason::Baseline(why) | Reason::Fallback(why) | Reason::ByHand(why) | Reason::Imported(why) => {
            why.clone()
        }
        Reason::Decided { words, on, by } => format!("{words} ({on}, {by})"),
        Reason::Portability { of, why } => format!("for {of}: {why}"),
        Reason::Runtime { runtime, why } => format!("{runtime}: {why}"),
    }
}
