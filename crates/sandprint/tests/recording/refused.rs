//! What the watcher sees of calls that filters keep from running: all of it, told apart, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use sandprint_model::Action;
use sandprint_record::ebpf::Watcher;
use sandprint_record::host::HostFacts;
use sandprint_record::refused::Outcome;
use sandprint_record::target::Target;
use sandprint_trial::watch::judge::{By, Verdict};
use sandprint_trial::watch::{News, Watch};

use crate::recorder::can_record;
use testkit::gcc;

/// The program, built; says that a test is skipped where it cannot be.
fn build() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("not_run");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recording/not_run.c");
    gcc::can_build(&source, &program, &["-pthread"]).then_some(program)
}

const EDOM: u16 = 33;

fn denied(action: Action, by: By) -> Verdict {
    Verdict::Denied { action, by }
}

/// One way to call the program.
struct Case {
    how: &'static str,
    /// How it ends: its status, or its signal.
    end: Result<i32, i32>,
    /// Which answers its calls of getppid(2) get that do not run, and how often each.
    answers: Vec<(Verdict, u64)>,
}

fn cases() -> Vec<Case> {
    const SIGSYS: i32 = 31;
    let case = |how, end, answers| Case { how, end, answers };
    let by_filter = |action, count| vec![(denied(action, By::Filter), count)];
    let supervised =
        vec![(Verdict::Emulated { by: By::Supervisor }, 1), (denied(Action::Notify, By::Supervisor), 1)];
    vec![
        case("allow", Ok(0), vec![]),
        case("log", Ok(0), vec![]),
        case("errno", Ok(0), by_filter(Action::Errno(EDOM), 3)),
        case("errno-0", Ok(0), by_filter(Action::Errno(0), 2)),
        case("trace", Ok(0), by_filter(Action::Trace(0), 2)),
        case("notify", Ok(0), by_filter(Action::Notify, 2)),
        case("supervised", Ok(0), supervised),
        case("trap", Ok(0), by_filter(Action::Trap, 2)),
        case("kill-process", Err(SIGSYS), by_filter(Action::KillProcess, 1)),
        case("kill-thread", Ok(0), by_filter(Action::KillThread, 1)),
        case("kill-last-thread", Err(SIGSYS), by_filter(Action::KillThread, 1)),
        case("child", Ok(0), by_filter(Action::Errno(EDOM), 1)),
        case("thread-exec", Ok(0), by_filter(Action::Errno(EDOM), 1)),
    ]
}

/// A shell that starts the program in the ways that it is told, one after the other. It is what is watched: tests that
/// run beside these confine processes too, and a watcher that saw those would tell of their calls.
struct Starter {
    shell: Child,
    ways: ChildStdin,
    statuses: BufReader<ChildStdout>,
}

impl Starter {
    fn new(program: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", "while read -r how; do \"$0\" \"$how\"; echo $?; done"])
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let ways = shell.stdin.take().expect("it is a pipe");
        let statuses = BufReader::new(shell.stdout.take().expect("it is a pipe"));
        Self { shell, ways, statuses }
    }

    fn start(&mut self, how: &str) {
        writeln!(self.ways, "{how}").expect("the shell reads");
    }

    /// Waits for the end of what was started: its status, or its signal.
    fn end(&mut self) -> Result<i32, i32> {
        let mut line = String::new();
        self.statuses.read_line(&mut line).expect("the shell writes text");
        match line.trim_end().parse().expect("the shell writes a status") {
            status @ 0..=128 => Ok(status),
            signalled => Err(signalled - 128),
        }
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        // Only where a test fails before the program's end is there still something to end.
        self.shell.kill().ok();
        self.shell.wait().ok();
    }
}

/// The program, who starts it, and a watcher of that; none, said, where it cannot be watched.
fn begin() -> Option<(PathBuf, Starter, Watcher)> {
    if !can_record() {
        return None;
    }
    let program = build()?;
    let starter = Starter::new(&program);
    let tree = Target::Processes(vec![starter.shell.id()]);
    let watcher = Watcher::start(&tree, &HostFacts::probe()).expect("this machine can be watched");
    Some((program, starter, watcher))
}

#[test]
fn every_way_of_not_running_is_seen_and_told_apart() {
    let Some((program, mut starter, mut watcher)) = begin() else { return };
    for Case { how, end, mut answers } in cases() {
        starter.start(how);
        assert_eq!(starter.end(), end, "{how}");

        let mut watch = Watch::default();
        let mut seen: Vec<(Verdict, u64)> = Vec::new();
        for refused in watcher.news().unwrap() {
            assert_eq!(refused.call.syscall.name(), Some("getppid"), "{how}: {refused:#?}");
            // Before 6.16 a task has given up its memory when its end is seen; and before 5.16 only the end shows that
            // the filter ended the process.
            let image = refused.image.escaped();
            let is_gone = image.is_empty() && refused.outcome == Outcome::KilledThread;
            assert!(is_gone || image == program.display().to_string(), "{how}: {image}");
            assert!(refused.ended.is_some(), "{how}: its process has ended: {refused:#?}");
            for news in watch.take(refused, |id| watcher.filter(id)) {
                let News::New(told) = news else { continue };
                assert_eq!(told.judgement.doubt, None, "{how}: {told:#?}");
                seen.push((told.judgement.verdict, told.refused.count));
            }
        }
        seen.sort_by_key(|(verdict, _)| format!("{verdict:?}"));
        answers.sort_by_key(|(verdict, _)| format!("{verdict:?}"));
        assert_eq!(seen, answers, "{how}");
    }
    assert_eq!(watcher.missed().unwrap(), []);
}

/// However early one looks: with a call come the filters that it is judged by.
#[test]
fn a_call_is_never_told_before_its_filters() {
    const FILTERS: usize = 200;
    let Some((_program, mut starter, mut watcher)) = begin() else { return };
    starter.start("many");
    let end = std::thread::spawn(move || starter.end());
    let mut seen = BTreeSet::new();
    // A call is told when it is seen, and again when its process has ended: it is the same call.
    let mut began = BTreeMap::new();
    loop {
        // Before the news: what comes after the end of all is nothing.
        let is_over = end.is_finished();
        for refused in watcher.news().unwrap() {
            assert!(!refused.filters.is_empty(), "{refused:#?}");
            for id in &refused.filters {
                assert!(watcher.filter(*id).is_some(), "{refused:#?}");
            }
            assert_eq!(*began.entry(refused.id).or_insert(refused.first), refused.first, "{refused:#?}");
            seen.insert(refused.filters.first().copied());
        }
        if is_over {
            break;
        }
    }
    assert_eq!(end.join().expect("it does not panic"), Ok(0));
    assert!(seen.len() >= FILTERS, "{}", seen.len());
    assert_eq!(watcher.missed().unwrap(), []);
}

/// Their instructions are hashed in steps and in rows of steps, and told in parts: these lengths are at the edges of all.
#[test]
fn filters_that_differ_in_their_last_instruction_are_told_apart() {
    let Some((_program, mut starter, mut watcher)) = begin() else { return };
    starter.start("lengthy");
    assert_eq!(starter.end(), Ok(0));
    let mut seen = BTreeSet::new();
    for refused in watcher.news().unwrap() {
        let [id] = refused.filters[..] else { panic!("{refused:#?}") };
        let instructions = watcher.filter(id).unwrap();
        let last = instructions.last_chunk::<4>().map(|word| u32::from_ne_bytes(*word) & 0xffff);
        seen.insert((id, instructions.len() / 8, last));
    }
    let lengths = [5, 16, 17, 256, 257, 4095, 4096];
    let expected: BTreeSet<_> =
        lengths.iter().flat_map(|length| [(*length, Some(1)), (*length, Some(2))]).collect();
    let distinct: BTreeSet<_> = seen.iter().map(|(id, ..)| id).collect();
    assert_eq!(distinct.len(), expected.len(), "{seen:?}");
    assert_eq!(seen.iter().map(|(_, length, last)| (*length, *last)).collect::<BTreeSet<_>>(), expected);
    assert_eq!(watcher.missed().unwrap(), []);
}
