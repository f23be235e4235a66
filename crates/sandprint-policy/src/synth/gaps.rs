//! What a recording may have missed, and whether a policy may be made all the same.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Gap, GapKind, Note, Trace};

use super::SynthError;

/// Notes of every gap; an error where one is blocking and `allow_incomplete` does not say that it is known.
pub(super) fn accept(trace: &Trace, allow_incomplete: bool) -> Result<BTreeSet<Note>, SynthError> {
    let mut kinds: BTreeMap<GapKind, Vec<&Gap>> = BTreeMap::new();
    for gap in trace.gaps.keys() {
        kinds.entry(gap.kind).or_default().push(gap);
    }
    let blocking: Vec<_> = kinds.iter().filter(|(kind, _)| kind.is_blocking()).collect();
    if !blocking.is_empty() && !allow_incomplete {
        let gaps =
            blocking.into_iter().map(|(kind, gaps)| (*kind, note(*kind, gaps, false).to_string())).collect();
        return Err(SynthError::Incomplete { gaps });
    }
    Ok(kinds.into_iter().map(|(kind, gaps)| note(kind, &gaps, kind.is_blocking())).collect())
}

/// What happened, and where.
fn note(kind: GapKind, gaps: &[&Gap], is_accepted: bool) -> Note {
    let runs: BTreeSet<_> = gaps.iter().map(|gap| &gap.run).collect();
    let details = gaps.iter().filter_map(|gap| gap.detail.clone()).collect();
    Note::Gap { kind, details, runs: runs.len(), is_accepted }
}
