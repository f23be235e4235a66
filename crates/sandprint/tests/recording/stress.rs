//! More at once than a recorder may like: calls, forks, programs and numbers without end, and no time.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;

use sandprint_model::GapKind;

use crate::calls::{Row, differences, table, totals};
use crate::header::{Size, Witness};
use crate::recorder::{
    self, BY_TID, CHOSEN, FULL_BY_TID, FULL_WITH_CHECKPOINTS, How, NOTIFIED, Recording, TRACED,
    WITH_CHECKPOINTS,
};
use crate::{turns, workshop};

#[test]
fn sixty_four_threads_and_twenty_thousand_forks_are_counted_exactly() {
    let _turn = turns::alone();
    for how in [CHOSEN, BY_TID, WITH_CHECKPOINTS, FULL_BY_TID, FULL_WITH_CHECKPOINTS] {
        let Some((witness, recording)) = record("storm", how, &[], &[]) else { return };
        assert_totals(&witness, &recording.trace.totals());
        assert_eq!(recording.trace.gaps(), [].into(), "{how:?}");
    }
}

#[test]
fn a_recorder_without_time_counts_the_same() {
    let _turn = turns::alone();
    let _load = Load::on_every_processor();
    // The recorder runs only when nothing else wants to; the workload, as anything does.
    let Some((witness, recording)) =
        record("storm", CHOSEN, &["chrt", "--idle", "0"], &["chrt", "--other", "0"])
    else {
        return;
    };
    let of_storm = |row: &Row| row.image.ends_with("/storm");
    let mut rows: Vec<Row> = recording.trace.by_image().into_iter().filter(of_storm).collect();
    // The storm's execve was chrt's, and is counted there.
    rows.push(Row {
        image: String::new(),
        abi: "x86_64".into(),
        nr: 59,
        name: Some("execve".into()),
        count: 1,
    });
    assert_totals(&witness, &rows);
    assert_eq!(recording.trace.gaps(), [].into());
}

#[test]
fn programs_that_cannot_be_kept_apart_are_counted_together() {
    let _turn = turns::alone();
    let Some((witness, recording)) = record("many_images", CHOSEN, &[], &[]) else { return };
    assert_totals(&witness, &recording.trace.totals());
    assert_eq!(recording.trace.gaps(), [GapKind::ImagesMerged.name().to_owned()].into());
}

#[test]
fn a_full_map_says_how_many_calls_it_lost() {
    /// Calls by which the witness has 140,000 distinct ones.
    const MADE: u64 = 140_000 + 2;
    let _turn = turns::alone();
    for how in [CHOSEN, NOTIFIED, TRACED] {
        let Some((_, recording)) = record("many_numbers", how, &[], &[]) else { continue };
        let trace = recording.trace.decoded();
        let counted: u64 = trace.totals().values().sum();
        let gaps: BTreeMap<GapKind, u64> = trace.gaps.iter().map(|(gap, count)| (gap.kind, *count)).collect();
        let lost = gaps.get(&GapKind::CallsLost).copied().unwrap_or(0);
        assert_eq!(counted + lost, MADE, "{how:?}: counted {counted}, lost {lost}");
        assert_eq!(lost > 0, trace.blocking_gaps().next().is_some(), "{how:?}");
        if how != CHOSEN {
            // What is kept is kept as it came, each once.
            assert_eq!((counted, trace.totals().len()), (65_536, 65_536), "{how:?}");
        }
    }
}

/// Records a witness at full size; `None` where that cannot be done here.
fn record(name: &str, how: How, around: &[&str], before: &[&str]) -> Option<(Witness, Recording)> {
    if !how.can_record() {
        return None;
    }
    let witness = Witness::load(name);
    let folder = workshop::stage(&witness).map_err(|why| testkit::expect::skip("gcc", &why)).ok()?;
    let mut words: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
    words.extend(witness.command(Size::Recorded));
    let recording = recorder::record(around, how, &words, folder.path());
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    Some((witness, recording))
}

fn assert_totals(witness: &Witness, rows: &[Row]) {
    let expected = totals(&witness.expected(Size::Recorded));
    let seen = totals(&table(rows, &expected));
    assert_eq!(differences(&expected, &seen), "", "{}", witness.name);
}

/// Processes that do nothing, as fast as they can, until this is dropped.
struct Load(Vec<Child>);

impl Load {
    fn on_every_processor() -> Load {
        let busy = || {
            let mut sh = Command::new("sh");
            sh.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
            sh.spawn().expect("every machine has a shell")
        };
        let processors = available_parallelism().map_or(2, usize::from);
        Load((0..processors).map(|_| busy()).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().expect("it is our child, and does not end by itself");
            child.wait().expect("it was killed");
        }
    }
}
