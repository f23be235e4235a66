//! A policy holds on another day: every program is recorded once, quiet and without a language, and then runs busy, in
//! other circumstances, under the policy that follows and without one. Each time both end with the same status and
//! print the same.
//!
//! `SANDPRINT_ANOTHER_DAY` says how often each program runs in each circumstance under a policy, half of the runs with
//! rules about arguments; `make soak` says 20. Without it only languages are tried, with a few programs.
//! `SANDPRINT_ANOTHER_DAY_TABLE` names the file to which the table of all runs is written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::programs::{PROGRAMS, Program};
use crate::recorded::{self, SANDPRINT, find};
use circumstances::{CIRCUMSTANCES, Circumstance, Props};
use refused::{Scope, Watcher};
use table::{Case, Table};
use testkit::expect::skip;
use testkit::mounts::why_no_mounts;
use testkit::shell::is_root;

mod circumstances;
mod refused;
mod table;

/// Runs beside the programs, so that they are disturbed.
const BUSY: [&str; 2] = ["sha256sum", "/dev/zero"];

/// How many programs run at the same time.
const BESIDE: usize = 2;

/// How a policy is made of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Made {
    /// `profile generate`, of a recording by whatever records here.
    Plainly,
    /// `profile generate --arguments`, of a recording by tracing.
    WithArguments,
}

impl Made {
    const BOTH: [Made; 2] = [Made::Plainly, Made::WithArguments];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Made::Plainly => "plain",
            Made::WithArguments => "arguments",
        }
    }
}

/// What a run left that can be seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Left {
    status: i32,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

/// One program: its folder as it is before each run, and its policies.
struct Subject<'p> {
    program: &'static Program,
    folder: PathBuf,
    props: &'p Props,
    scope: &'p Scope,
    sandprint: &'p str,
}

impl Subject<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Records it once in each way, and makes the policies.
    fn record(&self) {
        fs::create_dir(&self.folder).expect("the folder is ours");
        recorded::prepare(self.program, &self.path("first"));
        for made in Made::BOTH {
            let (recorder, arguments) = match made {
                Made::Plainly => ("auto", &[][..]),
                Made::WithArguments => ("ptrace", &["--arguments"][..]),
            };
            let trace = self.path("trace.json");
            let trace = trace.to_str().expect("it has a plain name");
            let policy = self.path(made.name());
            let policy = policy.to_str().expect("it has a plain name");
            let record = [self.sandprint, "profile", "run", "--recorder", recorder, "-o", trace, "--"];
            let left = self.run(&CIRCUMSTANCES[0], &[&record, self.program.run].concat(), |_| ());
            assert_eq!(left.status, 0, "{}: {left:?}", self.program.name);
            let generate = [self.sandprint, "profile", "generate", "-i", trace, "-f", "toml", "-o", policy];
            let left = self.run(&CIRCUMSTANCES[0], &[&generate, arguments].concat(), |_| ());
            assert_eq!(left.status, 0, "{}: {left:?}", self.program.name);
            // Who has given up root runs under it too.
            fs::set_permissions(policy, fs::Permissions::from_mode(0o644)).expect("it was written");
        }
    }

    fn run(&self, circumstance: &Circumstance, words: &[&str], began: impl FnOnce(u32)) -> Left {
        let work = self.path("work");
        if work.exists() {
            fs::remove_dir_all(&work).expect("the folder is ours");
        }
        let copied = Command::new("cp").arg("-a").arg(self.path("first")).arg(&work).status();
        assert!(copied.is_ok_and(|status| status.success()));
        // A program that is refused what it waits for may wait for ever: that is a difference.
        let words = [&["timeout", "--foreground", "-k", "5", "100"], words].concat();
        let mut command = self.props.command(circumstance, &work, &self.scope.cgroup, &words);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("there is a shell");
        began(child.id());
        let output = child.wait_with_output().expect("it is our child");
        let mut lines = [&output.stdout, &output.stderr]
            .map(|text| String::from_utf8_lossy(text).lines().map(str::to_owned).collect::<Vec<_>>());
        if self.program.unordered {
            for lines in &mut lines {
                lines.sort();
            }
        }
        let [stdout, stderr] = lines;
        Left { status: output.status.into_raw(), stdout, stderr }
    }

    /// What two runs without a policy agree on.
    fn bare(&self, circumstance: &Circumstance) -> Agreed {
        let [one, other] = [(); 2].map(|()| self.run(circumstance, self.program.run, |_| ()));
        Agreed {
            status: (one.status == other.status).then_some(one.status),
            stdout: (one.stdout == other.stdout).then_some(one.stdout),
            stderr: (one.stderr == other.stderr).then_some(one.stderr),
        }
    }

    /// Runs it under a policy, and says what is not as without one.
    fn confined(
        &self,
        circumstance: &Circumstance,
        made: Made,
        bare: &Agreed,
        began: impl FnOnce(u32),
    ) -> Option<String> {
        let policy = self.path(made.name());
        let run = [self.sandprint, "run", "-p", policy.to_str().expect("it has a plain name"), "--"];
        let left = self.run(circumstance, &[&run, self.program.run].concat(), began);
        let differs = bare.status.is_some_and(|status| status != left.status)
            || bare.stdout.as_ref().is_some_and(|stdout| *stdout != left.stdout)
            || bare.stderr.as_ref().is_some_and(|stderr| *stderr != left.stderr);
        differs.then(|| format!("{left:?} instead of {bare:?}"))
    }
}

/// What is the same in every run without a policy.
#[derive(Debug)]
struct Agreed {
    status: Option<i32>,
    stdout: Option<Vec<String>>,
    stderr: Option<Vec<String>>,
}

/// Other work on the machine, until this is dropped.
struct Busy(Vec<Child>);

impl Busy {
    fn begin() -> Busy {
        let start =
            |()| Command::new(BUSY[0]).arg(BUSY[1]).stdout(Stdio::null()).spawn().expect("it is there");
        Busy([(); 2].map(start).into())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Runs these programs in these circumstances, each so often.
fn try_all(programs: &[&'static Program], circumstances: &[&'static Circumstance], rounds: usize) -> Table {
    let scratch: TempDir = tempfile::tempdir().expect("a temporary folder");
    // Some runs belong to a user who is not root.
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    let sandprint = scratch.path().join("sandprint");
    let copied = Command::new("cp").arg(SANDPRINT).arg(&sandprint).status();
    assert!(copied.is_ok_and(|status| status.success()));
    let sandprint = sandprint.to_str().expect("it has a plain name");
    let props = Props::make(scratch.path());
    let scope = Scope::make();
    let folder = |program: &Program| scratch.path().join("programs").join(program.name);
    fs::create_dir(scratch.path().join("programs")).expect("the folder is ours");
    let subjects: Vec<Subject<'_>> = programs
        .iter()
        .map(|program| Subject { program, folder: folder(program), props: &props, scope: &scope, sandprint })
        .collect();
    subjects.iter().for_each(Subject::record);

    let watcher = Watcher::start(sandprint, &scope);
    let busy = Busy::begin();
    let cases: Mutex<Vec<Case>> = Mutex::new(Vec::new());
    let (next, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..BESIDE {
            scope.spawn(|| {
                while let Some(subject) = subjects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for circumstance in circumstances {
                        let bare = subject.bare(circumstance);
                        for made in Made::BOTH {
                            let mut case = Case::new(subject.program, circumstance, made);
                            // The first half of the runs is for the first, which has one more where they are odd.
                            let share = if made == Made::Plainly { rounds.div_ceil(2) } else { rounds / 2 };
                            for _ in 0..share {
                                let run = runs.fetch_add(1, Ordering::Relaxed);
                                let began = |pid| watcher.began(pid, run);
                                let difference = subject.confined(circumstance, made, &bare, began);
                                case.add(run, difference);
                            }
                            cases.lock().unwrap_or_else(PoisonError::into_inner).push(case);
                        }
                    }
                }
            });
        }
    });
    drop(busy);
    let (refused, missed) = watcher.end();
    let cases = cases.into_inner().unwrap_or_else(PoisonError::into_inner);
    Table::new(cases, &refused, missed, rounds)
}

/// Whether this machine can run any of this; otherwise the test has said so.
fn is_possible() -> bool {
    if !is_root() {
        skip("root", "users, limits and files in /etc are changed by root");
    } else if find("localedef").is_none() || !Path::new("/usr/share/i18n/locales/ja_JP").exists() {
        skip("locales", "there are no sources of locales, or no localedef");
    } else if let Some(why) = why_no_mounts() {
        skip("root", &format!("no files in /etc can be changed for a program alone: {why}"));
    } else {
        return true;
    }
    false
}

fn is_here(program: &Program) -> bool {
    program.needs.iter().all(|needed| find(needed).is_some())
}

#[test]
fn languages_bring_nothing_that_is_refused() {
    if !is_possible() {
        return;
    }
    let names = ["bash", "date", "head", "ls", "perl", "python3", "sort"];
    let programs: Vec<_> =
        PROGRAMS.iter().filter(|program| names.contains(&program.name) && is_here(program)).collect();
    let circumstances: Vec<_> = CIRCUMSTANCES.iter().filter(|one| one.group == "language").collect();
    let table = try_all(&programs, &circumstances, 2);
    assert_eq!(table.failures(), [""; 0], "{table}");
}

#[test]
fn policies_hold_on_another_day() {
    let Ok(rounds) = std::env::var("SANDPRINT_ANOTHER_DAY") else {
        eprintln!("not run: `make soak` sets SANDPRINT_ANOTHER_DAY, and it takes long");
        return;
    };
    if !is_possible() {
        return;
    }
    let rounds = rounds.parse().expect("SANDPRINT_ANOTHER_DAY is a number");
    let only = std::env::var("SANDPRINT_ANOTHER_DAY_ONLY").unwrap_or_default();
    let wanted = |program: &&Program| only.is_empty() || only.split(',').any(|name| name == program.name);
    let programs: Vec<_> = PROGRAMS.iter().filter(|program| is_here(program)).filter(wanted).collect();
    let circumstances: Vec<_> = CIRCUMSTANCES.iter().collect();
    let table = try_all(&programs, &circumstances, rounds);
    if let Ok(file) = std::env::var("SANDPRINT_ANOTHER_DAY_TABLE") {
        fs::write(file, table.to_string()).expect("the table can be written");
    }
    assert_eq!(table.failures(), [""; 0], "{table}");
}
