//! What is refused in the runs of the harness: they are in a cgroup of their own, one `sandprint watch` sees all that is
//! in it, and each refused call belongs to the run whose process is above it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use testkit::container::{Cgroups, container_name, root};

/// A refused call, as the smallest rule that would allow it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refused {
    pub(crate) call: String,
    /// The name of the program that made it, without its folder.
    pub(crate) program: String,
}

/// Which run a process began; ids come again, and then belong to the later run.
type Runs = BTreeMap<u64, usize>;

#[derive(Debug, Default)]
struct State {
    runs: Runs,
    seen: BTreeMap<usize, BTreeSet<Refused>>,
    /// Refused calls whose run was not known yet.
    early: Vec<(Vec<u64>, Refused)>,
    /// What the watcher says that it missed.
    missed: Vec<String>,
}

impl State {
    fn take(&mut self, above: Vec<u64>, refused: Refused) {
        // The outermost is its run: those further in may have the number of a process that began a run before.
        match above.iter().rev().find_map(|pid| self.runs.get(pid)) {
            Some(run) => {
                self.seen.entry(*run).or_default().insert(refused);
            }
            None => self.early.push((above, refused)),
        }
    }
}

/// Where the runs are, and nothing else that this process starts: other tests have calls refused too.
pub(crate) struct Scope {
    pub(crate) cgroup: PathBuf,
    /// Removes it.
    _cgroups: Cgroups,
}

impl Scope {
    pub(crate) fn make() -> Scope {
        let cgroups = Cgroups::borrow();
        let cgroup = root().join(container_name());
        fs::create_dir(&cgroup).unwrap_or_else(|error| panic!("{}: {error}", cgroup.display()));
        Scope { cgroup, _cgroups: cgroups }
    }
}

pub(crate) struct Watcher {
    child: Child,
    reader: JoinHandle<()>,
    state: Arc<Mutex<State>>,
}

impl Watcher {
    pub(crate) fn start(sandprint: &str, scope: &Scope) -> Watcher {
        let mut command = Command::new(sandprint);
        command.args(["watch", "-f", "json", "--cgroup"]).arg(&scope.cgroup).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is built");
        // It says so once it sees everything.
        let mut said = String::new();
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        stderr.read_line(&mut said).expect("a pipe can be read");
        assert!(said.contains("watching"), "{said}");
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                eprintln!("watch: {line}");
            }
        });
        let state = Arc::new(Mutex::new(State::default()));
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let reader = {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                for line in lines.map_while(Result::ok) {
                    let event: Value = serde_json::from_str(&line).expect("it writes JSON");
                    let mut state = state.lock().expect("nobody panics with it");
                    match event["event"].as_str() {
                        Some("denial") => state.take(above(&event), refused(&event)),
                        // Others on this machine may have filters that let calls run and log them; our runs have none.
                        Some("missed") if !event["what"].as_str().is_some_and(is_of_logs) => {
                            state.missed.push(line);
                        }
                        _ => {}
                    }
                }
            })
        };
        Watcher { child, reader, state }
    }

    /// Says which run a process has begun.
    pub(crate) fn began(&self, pid: u32, run: usize) {
        self.state.lock().expect("nobody panics with it").runs.insert(u64::from(pid), run);
    }

    /// By run, what was refused in it; and what may have been missed.
    pub(crate) fn end(mut self) -> (BTreeMap<usize, BTreeSet<Refused>>, Vec<String>) {
        let interrupted = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(interrupted.is_ok_and(|status| status.success()));
        self.child.wait().expect("it is our child");
        self.reader.join().expect("it only reads");
        let mut state = self.state.lock().expect("nobody panics with it");
        for (above, refused) in std::mem::take(&mut state.early) {
            state.take(above, refused);
        }
        assert!(state.early.is_empty(), "of no run: {:?}", state.early);
        (std::mem::take(&mut state.seen), std::mem::take(&mut state.missed))
    }
}

/// Whether what was missed was only in the kernel's log.
fn is_of_logs(what: &str) -> bool {
    what.starts_with("logged calls")
}

/// The processes above the one that made the call, itself first.
fn above(event: &Value) -> Vec<u64> {
    let ancestry = event["ancestry"].as_array().expect("it has one");
    let mut pids: Vec<u64> = ancestry.iter().filter_map(|process| process["host_pid"].as_u64()).collect();
    pids.reverse();
    pids
}

fn refused(event: &Value) -> Refused {
    let when = event["rule"]["when"].as_array().map_or(&[][..], Vec::as_slice);
    let when: Vec<&str> = when.iter().filter_map(Value::as_str).collect();
    let name = event["name"].as_str().unwrap_or("a call without a name");
    let call = if when.is_empty() { name.to_owned() } else { format!("{name}, {}", when.join(" and ")) };
    let image = event["process"]["image"].as_str().unwrap_or_default();
    Refused { call, program: image.rsplit('/').next().unwrap_or_default().to_owned() }
}
