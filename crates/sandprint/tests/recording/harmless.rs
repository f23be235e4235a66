//! What is harmless is no gap: what the kernel refuses anyway, and signals that make no call fail.

use std::collections::BTreeSet;
use std::path::Path;

use sandprint_model::GapKind;

use crate::recorder::{self, CHOSEN, How, NOTIFIED, Recording, TRACED};
use crate::turns;
use testkit::gcc;

/// The program, recorded; `None` where that cannot be done here.
fn record(how: How, what: &str) -> Option<Recording> {
    if !how.can_record() {
        return None;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build folder is ours");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recording/harmless.c");
    if !gcc::can_build(&source, &folder.path().join("harmless"), &[]) {
        return None;
    }
    Some(recorder::record(&[], how, &["./harmless".into(), what.into()], folder.path()))
}

/// Kinds of gaps, but for the one that says only that returns of handlers are not counted.
fn gaps(recording: &Recording) -> BTreeSet<String> {
    let mut gaps = recording.trace.gaps();
    gaps.remove(GapKind::CountsInexact.name());
    gaps
}

#[test]
fn asking_what_seccomp_can_do_is_no_gap() {
    let _turn = turns::beside_others();
    for how in [CHOSEN, NOTIFIED, TRACED] {
        let Some(recording) = record(how, "ask") else { continue };
        assert_eq!(recording.status.code(), Some(0), "{how:?}: {}", recording.stderr);
        assert_eq!(gaps(&recording), BTreeSet::new(), "{how:?}: {}", recording.stderr);
    }
}

#[test]
fn strict_mode_is_a_gap_where_the_recorder_has_it_refused() {
    let _turn = turns::beside_others();
    for what in ["strict", "strict-with-more-bits", "strict-by-prctl"] {
        for how in [CHOSEN, TRACED] {
            let Some(recording) = record(how, what) else { continue };
            assert_eq!(recording.status.code(), Some(0), "{how:?} {what}: {}", recording.stderr);
            // That the workload confined itself is a note.
            let trace = recording.trace.decoded();
            let blocking: Vec<_> = trace.blocking_gaps().collect();
            assert!(blocking.is_empty(), "{how:?} {what}: {blocking:?}");
        }
        let Some(recording) = record(NOTIFIED, what) else { continue };
        assert_eq!(recording.status.code(), Some(77), "{what}: {}", recording.stderr);
        let refused = GapKind::SeccompRefused.name().to_owned();
        assert_eq!(gaps(&recording), [refused].into(), "{what}: {}", recording.stderr);
        assert_eq!(recording.trace.decoded().blocking_gaps().count(), 1, "{what}");
    }
}

#[test]
fn signals_that_make_no_call_fail_are_no_gap() {
    let _turn = turns::beside_others();
    for how in [CHOSEN, TRACED] {
        let Some(recording) = record(how, "signals") else { continue };
        assert_eq!(recording.status.code(), Some(0), "{how:?}: {}", recording.stderr);
        assert_eq!(gaps(&recording), BTreeSet::new(), "{how:?}: {}", recording.stderr);
    }
}
