//! What a recording may have missed, and whether a policy may be made all the same.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Gap, GapKind, Note, Trace};

use super::SynthError;

/// How many details of one kind of gap are told.
const DETAILS: usize = 3;

/// Notes of every gap; an error where one is blocking and `allow_incomplete` does not say that it is known.
pub(super) fn accept(trace: &Trace, allow_incomplete: bool) -> Result<BTreeSet<Note>, SynthError> {
    let mut kinds: BTreeMap<GapKind, Vec<&Gap>> = BTreeMap::new();
    for gap in trace.gaps.keys() {
        kinds.entry(gap.kind).or_default().push(gap);
    }
    let blocking: Vec<_> = kinds.iter().filter(|(kind, _)| kind.is_blocking()).collect();
    if !blocking.is_empty() && !allow_incomplete {
        let gaps = blocking.into_iter().map(|(kind, gaps)| (*kind, in_words(*kind, gaps))).collect();
        return Err(SynthError::Incomplete { gaps });
    }
    let note = |(kind, gaps): (GapKind, Vec<&Gap>)| {
        let accepted = if kind.is_blocking() { "Accepted as incomplete: " } else { "" };
        Note(format!("{accepted}{}", in_words(kind, &gaps)))
    };
    Ok(kinds.into_iter().map(note).collect())
}

/// One sentence, with where it happened.
fn in_words(kind: GapKind, gaps: &[&Gap]) -> String {
    let runs: BTreeSet<_> = gaps.iter().map(|gap| &gap.run).collect();
    let details: BTreeSet<&str> = gaps.iter().filter_map(|gap| gap.detail.as_deref()).collect();
    let mut told: Vec<String> = details.iter().take(DETAILS).map(|detail| (*detail).to_owned()).collect();
    if details.len() > DETAILS {
        told.push(format!("and {} more", details.len() - DETAILS));
    }
    if runs.len() > 1 {
        told.push(format!("in {} runs", runs.len()));
    }
    let sentence = kind.meaning();
    match (told.is_empty(), sentence.strip_suffix('.')) {
        (false, Some(sentence)) => format!("{sentence} ({}).", told.join(", ")),
        _ => sentence.to_owned(),
    }
}
