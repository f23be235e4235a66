//! Each witness program makes the calls that it says it makes: strace agrees, and the recorder agrees.
//!
//! The programs are `corpus/programs/*.c`; [`crate::header`] tells what each says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use sandprint_model::Image;
use tempfile::TempDir;

use crate::calls::{Key, Named, Row, Table, differences, table, totals};
use crate::header::{Size, Strace, Witness, sources};
use crate::recorder::{BY_TID, CHOSEN, FULL, How, Recording};
use crate::{recorder, run, strace, turns, workshop};
use testkit::expect::skip;

/// Witnesses that only the stress tests record.
const STRESSING: &[&str] = &["many_images", "many_numbers", "storm"];

/// One test of each kind for each witness.
macro_rules! witnesses {
    ($($name:ident)*) => {
        pub(crate) const LISTED: &[&str] = &[$(stringify!($name)),*];

        mod strace_agrees {
            $(#[test]
            fn $name() {
                super::check_with_strace(stringify!($name));
            })*
        }

        mod recorded_exactly {
            $(#[test]
            fn $name() {
                super::check_recording(stringify!($name), super::CHOSEN);
            })*
        }

        mod recorded_exactly_in_full {
            $(#[test]
            fn $name() {
                super::check_recording(stringify!($name), super::FULL);
            })*
        }

        mod recorded_exactly_by_tid {
            $(#[test]
            fn $name() {
                super::check_recording(stringify!($name), super::BY_TID);
            })*
        }

        mod traced_exactly {
            $(#[test]
            fn $name() {
                crate::traced::check_witness(stringify!($name), crate::notified::Whose::Ours);
            })*
        }

        mod traced_exactly_without_rights {
            $(#[test]
            fn $name() {
                crate::traced::check_witness(stringify!($name), crate::notified::Whose::Nobodys);
            })*
        }

        mod notified_exactly {
            $(#[test]
            fn $name() {
                crate::notified::check_witness(stringify!($name), crate::notified::Whose::Ours);
            })*
        }

        mod notified_exactly_without_rights {
            $(#[test]
            fn $name() {
                crate::notified::check_witness(stringify!($name), crate::notified::Whose::Nobodys);
            })*
        }
    };
}

witnesses! {
    changed_by_tracer
    chroot
    clone3
    clone_flags
    daemon
    emulated
    exec_chain
    exec_fails
    exec_from_thread
    exit_with_threads
    fork_from_thread
    fork_tree
    getppid_loop
    grandchildren
    hostile_name
    i386_program
    int80
    io_uring_probe
    io_uring_sqpoll
    io_uring_submit
    killed
    leader_exits_first
    leader_pthread_exit
    memfd_exec
    names
    namespaces
    number_minus_one
    pid_reuse
    rare_call
    replaced_path
    restart
    script
    seccomp_errno
    seccomp_kill
    seccomp_notify
    seccomp_trap
    setuid
    short_children
    signal_ends_threads
    signals
    stopped
    thread_storm
    tracer
    traces_itself
    unknown_numbers
    unlinks_itself
    untraced_clone
    user_dispatch
    vdso
    vfork_exec
    worker_exits_first
    x32_call
}

#[test]
fn strace_agrees_with_what_the_stress_tests_run() {
    for name in STRESSING {
        check_with_strace(name);
    }
}

#[test]
fn two_programs_of_one_path_are_two_images() {
    if !recorder::can_record() {
        return;
    }
    let _turn = turns::beside_others();
    let Some((witness, folder)) = ready("replaced_path", Size::Recorded, &[]) else { return };
    let words = witness.command(Size::Recorded);
    let recording = recorder::record(&[], CHOSEN, &words, folder.path());
    let trace = recording.trace.decoded();
    let mut by_image: BTreeMap<Arc<Image>, BTreeMap<String, u64>> = BTreeMap::new();
    for (subject, syscall, runs) in trace.calls.iter() {
        let count = runs.values().map(|seen| seen.count).sum();
        by_image.entry(Arc::clone(&subject.image)).or_default().insert(syscall.to_string(), count);
    }
    by_image.retain(|image, _| image.to_string().ends_with("/getppid_loop"));
    let counts = |calls: &[(&str, u64)]| -> BTreeMap<String, u64> {
        calls.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    let first = counts(&[("exit_group", 1), ("getppid", 30)]);
    let second = counts(&[("clone", 30), ("exit_group", 31), ("getppid", 31), ("wait4", 30)]);
    let seen: BTreeSet<_> = by_image.values().cloned().collect();
    assert_eq!(seen, [first, second].into(), "{by_image:?}");
}

#[test]
fn every_witness_is_tested() {
    let entries = fs::read_dir(sources()).expect("the corpus lies beside the crates");
    let names =
        entries.map(|entry| entry.expect("a folder of ours").file_name().into_string().expect("text"));
    let there: BTreeSet<String> =
        names.filter_map(|name| name.strip_suffix(".c").map(str::to_owned)).collect();
    let listed: BTreeSet<String> = LISTED.iter().chain(STRESSING).map(|name| (*name).to_owned()).collect();
    assert_eq!(listed, there);
}

/// The witness, in a folder to run in; `None` where this machine cannot show what it is about.
///
/// `around` goes before the witness, where it is not to run as we do.
pub(crate) fn ready(name: &str, size: Size, around: &[&str]) -> Option<(Witness, TempDir)> {
    let witness = Witness::load(name);
    if !witness.fits_this_machine() {
        eprintln!("skipped: {name} is about another architecture");
        return None;
    }
    let folder = match workshop::stage(&witness) {
        Ok(folder) => folder,
        Err(why) => {
            skip(if witness.i386 { "i386" } else { "gcc" }, &why);
            return None;
        }
    };
    let Some(needs) = &witness.needs else { return Some((witness, folder)) };
    let mut words: Vec<String> = around.iter().map(|word| (*word).to_owned()).collect();
    words.extend(witness.command(size));
    let mut bare = Command::new(&words[0]);
    bare.args(&words[1..]);
    run::prepare(&mut bare, folder.path());
    let ended = run::to_the_end(&mut bare);
    if ended.status.code() == Some(77) {
        skip(needs, &format!("{name}: {}", ended.stdout));
        return None;
    }
    // The bare run may have used up what lies there.
    let folder = workshop::stage(&witness).expect("it has just been built");
    Some((witness, folder))
}

fn check_with_strace(name: &str) {
    let _turn = turns::beside_others();
    let size = Size::Straced;
    if let Err(error) = Command::new("strace").arg("-V").output() {
        return skip("strace", &error.to_string());
    }
    let Some((witness, folder)) = ready(name, size, &[]) else { return };
    if let Strace::Nothing(why) = &witness.strace {
        return eprintln!("{name}: strace: {why}");
    }
    let rows = straced(&witness, folder.path(), size);
    let mut expected = witness.expected_of_strace(size);
    let mut seen = table(&rows, &expected);
    if witness.as_strace {
        let again = workshop::stage(&witness).expect("it has just been built");
        expected = table(&straced(&witness, again.path(), size), &expected);
    }
    if witness.strace == Strace::Totals {
        (expected, seen) = (totals(&expected), totals(&seen));
    }
    assert_eq!(differences(&expected, &seen), "", "{name}, as strace sees it");
}

fn check_recording(name: &str, how: How) {
    let _turn = turns::beside_others();
    if !how.can_record() {
        return;
    }
    let Some((witness, folder)) = ready(name, Size::Recorded, &[]) else { return };
    let recording = recorder::record(&[], how, &witness.command(Size::Recorded), folder.path());
    assert_recorded(&witness, folder.path(), &recording, witness.expected(Size::Recorded), &[]);
    let gaps: BTreeSet<String> = recording.trace.gaps().difference(&witness.possible_gaps).cloned().collect();
    assert_eq!(gaps, witness.gaps, "the gaps of {name}\n{}", recording.stderr);
}

/// Whether a recording shows exactly what is expected: how it ended, and each call by each program. Calls that are
/// `uncounted` must be there, without a count.
pub(crate) fn assert_recorded(
    witness: &Witness,
    folder: &Path,
    recording: &Recording,
    mut expected: Table,
    uncounted: &[&str],
) {
    let (name, size) = (&witness.name, Size::Recorded);
    let is_uncounted =
        |key: &Key| matches!(&key.call, Named::Name(name) if uncounted.contains(&name.as_str()));
    let ended = (recording.status.signal(), recording.status.code());
    let end = (witness.signal, witness.signal.is_none().then_some(0));
    assert_eq!(ended, end, "how {name} ended\n{}", recording.stderr);

    if witness.as_strace {
        let again = workshop::stage(witness).expect("it has just been built");
        expected = table(&straced(witness, again.path(), size), &expected);
    }
    for (_, count) in expected.iter_mut().filter(|(key, _)| is_uncounted(key)) {
        *count = 0;
    }
    let rows = recording.trace.by_image().into_iter();
    let rows: Vec<Row> = rows.map(|row| Row { image: local(&row.image, folder), ..row }).collect();
    assert_eq!(differences(&expected, &table(&rows, &expected)), "", "{name}, as recorded");
    let expected = totals(&expected);
    assert_eq!(differences(&expected, &table(&recording.trace.totals(), &expected)), "", "{name}, in all");
}

fn straced(witness: &Witness, folder: &Path, size: Size) -> Vec<Row> {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = strace::command(&[], log.path());
    command.args(witness.command(size));
    run::prepare(&mut command, folder);
    let ended = run::to_the_end(&mut command);
    // strace ends as its command did, by the same signal too.
    assert_ending(witness, ended.status, witness.signal, &ended.stderr);
    let rows = strace::read(log.path());
    rows.into_iter().map(|row| Row { image: local(&row.image, folder), ..row }).collect()
}

fn assert_ending(witness: &Witness, status: ExitStatus, signal: Option<i32>, stderr: &str) {
    let expected = match signal {
        Some(signal) => (None, Some(signal)),
        None => (Some(0), None),
    };
    assert_eq!((status.code(), status.signal()), expected, "how {} ended\n{stderr}", witness.name);
}

/// A program's name in the witness's table: paths in its folder are relative to that.
pub(crate) fn local(image: &str, folder: &Path) -> String {
    let folder = fs::canonicalize(folder).expect("it is there");
    let absolute = format!("{}/", folder.display());
    let local = image.strip_prefix(&absolute).or_else(|| image.strip_prefix("./")).unwrap_or(image);
    local.to_owned()
}
