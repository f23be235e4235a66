//! `cargo xtask test`: all tests, as `cargo test` runs them, but two test programs beside each other.
//!
//! cargo runs one program after the other. Most of what ours do is to wait for others, and each has an end at which one
//! long test is left: a second program uses what the first leaves of the processors. More would only take from each other
//! what tests of time need.

use std::io::Write;
use std::process::Command as Process;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, bail};

mod program;

use crate::{Command, repository_root};
use program::Program;

/// The entry in the list of commands.
pub(crate) const COMMAND: Command =
    Command { name: "test", summary: "run all tests, two test programs beside each other", run };

/// How many programs run at a time.
const BESIDE_EACH_OTHER: usize = 2;

/// What takes longest, which is begun with: at the end, nothing long is to be left.
const FIRST: &[&str] = &["soak", "imported", "recording", "session", "emitted", "consumers", "verified"];

/// What starts containers, and so borrows the machine's cgroups: one of these runs at a time, since each leaves them as it
/// found them.
const CONTAINERS: &[&str] = &["soak", "consumers"];

/// What watches the whole machine, where others have calls refused: each runs by itself, after all others.
const ALONE: &[&str] = &["bench", "watched"];

fn run(arguments: &[String]) -> anyhow::Result<String> {
    if !arguments.is_empty() {
        bail!("usage: cargo xtask test");
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let programs = program::build(Process::new(&cargo).current_dir(repository_root()))?;
    let programs = in_order(programs)?;
    let count = programs.len();
    let begin = Instant::now();
    let one = |program: &Program| program.run().unwrap_or_else(|error| (false, format!("{error:#}\n")));
    let (alone, others): (Vec<_>, Vec<_>) = programs.into_iter().partition(Program::runs_alone);
    let mut failed = run_all(others, &mut std::io::stdout(), &one);
    for program in alone {
        failed.extend(run_all(vec![program], &mut std::io::stdout(), &one));
    }
    // The examples of the documentation: cargo alone knows how they are run.
    let examples = Process::new(&cargo)
        .current_dir(repository_root())
        .args(["test", "--quiet", "--locked", "--workspace", "--doc"])
        .status()
        .context("start cargo")?;
    if !failed.is_empty() {
        bail!("{} of {count} test programs failed: {}", failed.len(), failed.join(", "));
    }
    if !examples.success() {
        bail!("the examples of the documentation failed");
    }
    Ok(format!("{count} test programs passed in {} s\n", begin.elapsed().as_secs()))
}

/// The programs, in the order in which they are begun.
fn in_order(mut programs: Vec<Program>) -> anyhow::Result<Vec<Program>> {
    for name in FIRST.iter().chain(CONTAINERS).chain(ALONE) {
        if !programs.iter().any(|program| program.name == *name) {
            bail!("there is no test program {name}: mend the lists in xtask/src/test_run.rs");
        }
    }
    let place =
        |program: &Program| FIRST.iter().position(|name| *name == program.name).unwrap_or(FIRST.len());
    programs.sort_by_key(place);
    Ok(programs)
}

/// Runs the programs, and shows there what each has printed when it has ended. The names of those that failed.
fn run_all(
    programs: Vec<Program>,
    shown: &mut (impl Write + Send),
    run: &(impl Fn(&Program) -> (bool, String) + Sync),
) -> Vec<String> {
    let queue = Queue {
        waiting: Mutex::new(Waiting { programs, containers: false }),
        containers_ended: Condvar::new(),
    };
    let ended = Mutex::new((Vec::new(), shown));
    let lane = || {
        while let Some(program) = queue.next() {
            let begin = Instant::now();
            let (passed, printed) = run(&program);
            queue.ended(&program);
            let what = if passed { "passed" } else { "FAILED" };
            let seconds = begin.elapsed().as_secs_f32();
            let text = format!("{printed}==== {} {what} after {seconds:.1} s\n\n", program.name);
            let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
            let (failed, shown) = &mut *ended;
            // Who does not read it sees by the status how it ended.
            shown.write_all(text.as_bytes()).unwrap_or_default();
            if !passed {
                failed.push(program.name);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..BESIDE_EACH_OTHER {
            scope.spawn(lane);
        }
    });
    ended.into_inner().unwrap_or_else(PoisonError::into_inner).0
}

/// The programs that have not been begun.
struct Queue {
    waiting: Mutex<Waiting>,
    containers_ended: Condvar,
}

struct Waiting {
    programs: Vec<Program>,
    /// Whether one runs that starts containers.
    containers: bool,
}

impl Queue {
    /// The next program that may begin, once there is one; none where none is left.
    fn next(&self) -> Option<Program> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while !waiting.programs.is_empty() {
            let containers = waiting.containers;
            let may_begin = |program: &Program| !(containers && program.starts_containers());
            if let Some(place) = waiting.programs.iter().position(may_begin) {
                let program = waiting.programs.remove(place);
                waiting.containers |= program.starts_containers();
                return Some(program);
            }
            waiting = self.containers_ended.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    fn ended(&self, program: &Program) {
        if program.starts_containers() {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).containers = false;
            self.containers_ended.notify_all();
        }
    }
}

impl Program {
    fn runs_alone(&self) -> bool {
        ALONE.contains(&self.name.as_str())
    }

    fn starts_containers(&self) -> bool {
        CONTAINERS.contains(&self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn programs(names: &[&str]) -> Vec<Program> {
        let program =
            |name: &&str| Program { name: (*name).to_owned(), package: PathBuf::new(), path: PathBuf::new() };
        names.iter().map(program).collect()
    }

    #[test]
    fn what_is_long_begins_first_and_a_name_that_is_gone_is_an_error() {
        let all = [&["docs"], FIRST, CONTAINERS, ALONE].concat();
        let ordered = in_order(programs(&all)).unwrap();
        let names: Vec<&str> = ordered.iter().map(|program| program.name.as_str()).collect();
        assert_eq!(names[..FIRST.len()].iter().filter(|name| FIRST.contains(name)).count(), FIRST.len());
        assert_eq!(names.iter().position(|name| *name == "docs").map(|at| at >= FIRST.len()), Some(true));
        assert!(in_order(programs(&["docs"])).is_err());
    }

    #[test]
    fn all_run_two_at_a_time_and_containers_one_at_a_time() {
        let (running, containers) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (most, ran) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let run = |program: &Program| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let starts = usize::from(program.starts_containers());
            assert!(
                containers.fetch_add(starts, Ordering::SeqCst) == 0 || starts == 0,
                "two start containers"
            );
            thread::sleep(Duration::from_millis(20));
            containers.fetch_sub(starts, Ordering::SeqCst);
            running.fetch_sub(1, Ordering::SeqCst);
            ran.fetch_add(1, Ordering::SeqCst);
            (program.name != "session", String::new())
        };
        let names = [CONTAINERS, &["cli", "session", "docs"]].concat();
        let mut shown = Vec::new();
        assert_eq!(run_all(programs(&names), &mut shown, &run), ["session"]);
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown.matches("passed after").count(), names.len() - 1, "{shown}");
        assert_eq!(shown.matches("==== session FAILED after").count(), 1, "{shown}");
        assert_eq!((most.into_inner(), ran.into_inner()), (BESIDE_EACH_OTHER, names.len()));
    }
}
