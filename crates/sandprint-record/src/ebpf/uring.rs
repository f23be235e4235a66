//! `io_uring`: whether what is submitted through it is seen, and what of it is a gap.

use std::collections::BTreeMap;

use sandprint_model::{Gap, GapKind, RunId};

use super::decode::UringKey;
use super::program::URING_CREATE;
use super::sys;

/// What is seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Nothing is attached.
    Nothing,
    /// Every operation that is submitted.
    Operations,
    /// This kernel has it, and does not show what is submitted.
    Hidden,
    /// This kernel has none.
    Absent,
}

impl Sight {
    /// With these programs attached. A kernel without the tracepoints has none of it, or cannot show what it does: Linux
    /// 5.1 to 5.4.
    pub(super) fn with(attached: &[&str]) -> Sight {
        Sight::of(attached, sys::has_uring)
    }

    fn of(attached: &[&str], exists: impl Fn() -> bool) -> Sight {
        if attached.iter().any(|program| *program != URING_CREATE) {
            Sight::Operations
        } else if !attached.is_empty() || exists() {
            Sight::Hidden
        } else {
            Sight::Absent
        }
    }

    /// The gap of a target that submitted these operations, and how often. `is_set_up` says whether it asked for a ring,
    /// `lost` whether something was submitted of which nobody knows by whom.
    pub(super) fn gap(
        self,
        run: RunId,
        operations: &[(UringKey, u64)],
        is_set_up: bool,
        lost: bool,
    ) -> Option<(Gap, u64)> {
        let mut counts: BTreeMap<u8, u64> = BTreeMap::new();
        for (UringKey { opcode, .. }, count) in operations {
            let slot = counts.entry(*opcode).or_default();
            *slot = slot.saturating_add(*count);
        }
        let total = counts.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let (kind, detail) = if total > 0 {
            let opcodes: Vec<String> =
                counts.iter().map(|(opcode, count)| format!("{opcode} ({count})")).collect();
            (GapKind::IoUringOperations, Some(format!("opcodes {}", opcodes.join(", "))))
        } else if lost || (is_set_up && self == Sight::Hidden) {
            (GapKind::IoUringUnseen, None)
        } else if is_set_up {
            (GapKind::IoUringProbe, None)
        } else {
            return None;
        };
        Some((Gap { kind, run, detail }, total.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::TargetId;
    use super::*;

    #[test]
    fn only_what_is_watched_is_claimed() {
        for (attached, exists, sight) in [
            (&[URING_CREATE, "uring_submit"][..], true, Sight::Operations),
            (&["uring_old_submit_sqe"], true, Sight::Operations),
            (&[URING_CREATE], true, Sight::Hidden),
            // Linux 5.1 to 5.4, or a kernel on which nothing could be attached.
            (&[], true, Sight::Hidden),
            (&[], false, Sight::Absent),
        ] {
            assert_eq!(Sight::of(attached, || exists), sight, "{attached:?} {exists}");
        }
        // Of whatever kernel runs this.
        assert!([Sight::Hidden, Sight::Absent].contains(&Sight::with(&[])));
    }

    #[test]
    fn the_gap_says_what_was_submitted_and_what_may_have_been() {
        let key = |image, opcode| UringKey { image, target: TargetId::FIRST, opcode };
        let some = [(key(1, 22), 3), (key(2, 22), 1), (key(2, 1), 5)];
        for (sight, operations, set_up, lost, expected) in [
            (Sight::Operations, &some[..], true, true, Some(("io-uring-operations", 9))),
            (Sight::Operations, &[], true, false, Some(("io-uring-probe", 1))),
            (Sight::Operations, &[], false, true, Some(("io-uring-unseen", 1))),
            (Sight::Operations, &[], false, false, None),
            (Sight::Hidden, &[], true, false, Some(("io-uring-unseen", 1))),
            (Sight::Hidden, &[], false, false, None),
            (Sight::Absent, &[], true, false, Some(("io-uring-probe", 1))),
        ] {
            let gap = sight.gap(RunId::from_bits(1), operations, set_up, lost);
            if let Some((gap, _)) = gap.as_ref().filter(|(_, count)| *count == 9) {
                assert_eq!(gap.detail.as_deref(), Some("opcodes 1 (5), 22 (4)"));
            }
            let found = gap.map(|(gap, count)| (gap.kind.name(), count));
            assert_eq!(found, expected, "{sight:?} {operations:?} {set_up} {lost}");
        }
    }
}
