//! More files than are kept: the rest is counted.

use std::path::Path;

use sandprint_model::GapKind;

use crate::recorder::{self, FULL};
use crate::turns;
use testkit::gcc;

/// How many uses are told apart (`known_uses`, bpf/uses.bpf.h).
const KEPT: u64 = 262_144;

/// Runs `many.c`, which asks for so many files that are not there, and counts those that are kept and those that are said
/// to be lost.
fn asked(words: &[&str]) -> Option<(u64, u64)> {
    if !FULL.can_record() {
        return None;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build folder is ours");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recording/files/many.c");
    if !gcc::can_build(&source, &folder.path().join("many"), &["-pthread"]) {
        return None;
    }
    let words: Vec<String> = ["./many"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    let recording = recorder::record(&[], FULL, &words, folder.path());
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    let trace = recording.trace.decoded();
    let kept = super::files(&recording.trace).keys().filter(|path| path.contains("/none-")).count();
    let lost: u64 =
        trace.gaps.iter().filter(|(gap, _)| gap.kind == GapKind::FilesLost).map(|(_, count)| *count).sum();
    let others: Vec<GapKind> =
        trace.gaps.keys().map(|gap| gap.kind).filter(|kind| *kind != GapKind::FilesLost).collect();
    assert_eq!(others, [], "{}", recording.stderr);
    eprintln!("{words:?}: {kept} kept, {lost} lost");
    Some((u64::try_from(kept).expect("a count"), lost))
}

/// 64 threads that do nothing else leave the recorder little time, and the ring between them is full at times.
#[test]
fn files_of_many_threads_are_kept_or_counted_as_lost() {
    let _turn = turns::alone();
    let Some((kept, lost)) = asked(&["threads", "2000"]) else { return };
    assert_eq!(kept + lost, 64 * 2000);
}

#[test]
fn more_files_than_are_told_apart_are_counted_as_lost() {
    const ASKED: u64 = 300_000;
    let _turn = turns::alone();
    let Some((kept, lost)) = asked(&["one", &ASKED.to_string()]) else { return };
    assert!(kept <= KEPT && lost >= ASKED - KEPT, "{kept} {lost}");
    // What the program has to do with besides, after the map was full.
    let others = (kept + lost).checked_sub(ASKED).expect("none is missing");
    assert!(others <= 8, "{kept} {lost}");
}
