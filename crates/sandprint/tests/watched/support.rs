//! A watch beside the test, processes that wait until it has begun, and what was told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use sandprint_record::audit::LogReader;
use serde_json::Value;

use testkit::event_schema::event;
pub(crate) use testkit::wait::{DEADLINE, until as within};

use testkit::bpf;
use testkit::expect::skip;
use testkit::output::Output;

/// The program under test.
pub(crate) const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

/// Whether this machine can watch; says that a test is skipped where it cannot.
pub(crate) fn can_watch() -> bool {
    match bpf::load_smallest_program() {
        Ok(()) => true,
        Err(error) => {
            skip("ebpf", &format!("the kernel refuses the smallest BPF program: {error}"));
            false
        }
    }
}

/// Whether logged calls can be seen here; says so where they cannot.
pub(crate) fn can_see_logged() -> bool {
    match LogReader::open() {
        Ok(_) => true,
        Err(unseen) => {
            skip("audit", &unseen.why);
            false
        }
    }
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// The program that makes the calls, static, built once; `None` where it cannot be, which was then said.
pub(crate) fn caller() -> Option<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("watched-caller");
        let unfinished = program.with_extension(std::process::id().to_string());
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/watched/programs/caller.c");
        let gcc = Command::new("gcc")
            .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-static", "-o"])
            .args([&unfinished, &source])
            .output()
            .map_err(|error| error.to_string())?;
        assert!(gcc.status.success(), "{}", String::from_utf8_lossy(&gcc.stderr));
        fs::rename(&unfinished, &program).unwrap();
        Ok(program)
    });
    match built {
        Ok(program) => Some(program),
        Err(why) => {
            skip("gcc", why);
            None
        }
    }
}

/// A process that becomes a command as soon as it is told to.
pub(crate) struct Gate {
    child: Child,
}

impl Gate {
    pub(crate) fn before(words: &[&str]) -> Gate {
        let mut command = Command::new("sh");
        command.args(["-c", "read line; exec \"$@\"", "sh"]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Gate { child: command.spawn().unwrap() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The same for a command below it: it stays there itself until [`Gate::go`]. What was logged is told a little after
    /// it was done, and a watch ends with the last process.
    pub(crate) fn around(words: &[&str]) -> Gate {
        let mut command = Command::new("sh");
        let script = "read line; \"$@\" < /dev/null > /dev/null 2>&1; echo $?; read line";
        command.args(["-c", script, "sh"]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Gate { child: command.spawn().unwrap() }
    }

    /// Lets the command below it run, waits for its end, and gives its status as a shell has it.
    pub(crate) fn run(&mut self) -> i32 {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut output = Output::of(self.child.stdout.take().unwrap());
        output.line().parse().unwrap()
    }

    /// Lets it go on, and waits for its end.
    pub(crate) fn go(&mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        within("the end of a command", || self.child.try_wait().unwrap())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A `sandprint watch` that has begun.
pub(crate) struct Watching {
    child: Child,
    stdout: Option<JoinHandle<()>>,
    /// What it has told so far.
    told: Arc<Mutex<String>>,
    stderr: Receiver<String>,
    said: String,
}

/// What a watch told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Watching {
    /// Starts it with these arguments, and waits until it says that it has begun.
    pub(crate) fn start(arguments: &[&str]) -> Watching {
        let mut command = Command::new(SANDPRINT);
        command.arg("watch").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Watching::begin(command)
    }

    /// The same with a command that was put together otherwise.
    pub(crate) fn begin(mut command: Command) -> Watching {
        let mut child = command.spawn().unwrap();
        let told = Arc::default();
        let stdout = child.stdout.take().map(|from| read_all(from, Arc::clone(&told)));
        let (sender, stderr) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut watching = Watching { child, stdout, told, stderr, said: String::new() };
        let begin = Instant::now();
        loop {
            let line = watching.stderr.recv_timeout(DEADLINE.saturating_sub(begin.elapsed()));
            let line =
                line.unwrap_or_else(|error| panic!("the watch did not begin ({error}): {}", watching.said));
            watching.said += &line;
            watching.said.push('\n');
            if line.starts_with("watching ") {
                return watching;
            }
        }
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(mut self) -> Told {
        let status = within("the end of the watch", || self.child.try_wait().unwrap());
        if let Some(reader) = self.stdout.take() {
            reader.join().unwrap();
        }
        let stdout = std::mem::take(&mut *self.told.lock().unwrap());
        self.said.extend(self.stderr.iter().map(|line| line + "\n"));
        Told { status, stdout, stderr: std::mem::take(&mut self.said) }
    }

    /// Whether it has not ended.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Runs the command in the gate, waits until so many of its calls were told that were logged, and until the watch
    /// ends with it. Gives the status of the command too.
    pub(crate) fn over(self, gate: &mut Gate, logged: u64) -> (i32, Told) {
        let status = gate.run();
        self.until_logged(logged);
        gate.go();
        (status, self.end())
    }

    /// Waits until it has told that so many calls were logged, where this machine can see them.
    pub(crate) fn until_logged(&self, count: u64) {
        if !can_see_logged() {
            return;
        }
        within("the logged calls", || {
            let calls = calls(&self.told.lock().unwrap().lines().map(event).collect::<Vec<_>>());
            let logged = calls.iter().filter(|((_, answer), _)| answer == "logged").map(|(_, count)| *count);
            (logged.sum::<u64>() >= count).then_some(())
        });
    }

    /// Tells it to end.
    pub(crate) fn stop(self, signal: &str) -> Told {
        self.signal(signal);
        self.end()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(killed.success());
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read_all(from: impl Read + Send + 'static, to: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let mut told = to.lock().unwrap();
            told.push_str(&line.unwrap());
            told.push('\n');
        }
    })
}

impl Told {
    /// The lines, each held against the schema.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(event).collect()
    }

    /// Those of a kind.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == kind).collect()
    }

    /// Every call that was told, with what came of it, and how often in all.
    pub(crate) fn calls(&self) -> BTreeMap<(String, String), u64> {
        calls(&self.events())
    }

    /// Those of a process and its descendants, but for logged ones, which do not say what is above them.
    pub(crate) fn calls_below(&self, pid: u32) -> BTreeMap<(String, String), u64> {
        let mut events = self.events();
        let is_below = |event: &Value| {
            let above = event["ancestry"].as_array().into_iter().flatten();
            above.into_iter().any(|process| process["pid"] == pid)
        };
        let ids: BTreeSet<u64> =
            events.iter().filter(|event| is_below(event)).filter_map(|event| event["id"].as_u64()).collect();
        events.retain(|event| event["id"].as_u64().is_some_and(|id| ids.contains(&id)));
        calls(&events)
    }
    /// Holds what was told against what was done: every call with its answer and how often, and nothing else. Logged
    /// calls are left out where this machine cannot see them.
    pub(crate) fn assert_calls(&self, context: &str, expected: &[(&str, &str, u64)]) {
        let sees_logged = can_see_logged();
        let expected: BTreeMap<(String, String), u64> = expected
            .iter()
            .filter(|(_, answer, _)| sees_logged || *answer != "logged")
            .map(|(name, answer, count)| (((*name).to_owned(), (*answer).to_owned()), *count))
            .collect();
        assert_eq!(self.calls(), expected, "{context}\n{}\n{}", self.stdout, self.stderr);
        let summary = self.of_kind("summary");
        assert_eq!(summary.len(), 1, "{context}");
        let sum = |wanted: &dyn Fn(&str) -> bool| {
            expected.iter().filter(|((_, answer), _)| wanted(answer)).map(|(_, count)| count).sum::<u64>()
        };
        let denied = sum(&|answer| !answer.starts_with("emulated") && answer != "logged");
        assert_eq!(summary[0]["denied"], denied, "{context}");
        assert_eq!(summary[0]["emulated"], sum(&|answer| answer.starts_with("emulated")), "{context}");
        assert_eq!(self.status.code(), Some(if denied > 0 { 3 } else { 0 }), "{context}: {}", self.stderr);
    }
}

/// See [`Told::calls`].
fn calls(events: &[Value]) -> BTreeMap<(String, String), u64> {
    let mut kinds: BTreeMap<u64, ((String, String), u64)> = BTreeMap::new();
    for event in events {
        let text = |field: &str| event[field].as_str().unwrap_or("?").to_owned();
        let answer = match text("event").as_str() {
            "denial" => format!("{} by {}", text("action"), text("by")),
            "emulated" => format!("emulated by {}", text("by")),
            "logged" => "logged".to_owned(),
            "repeated" => {
                let id = event["id"].as_u64().unwrap();
                let known = kinds.get_mut(&id).unwrap_or_else(|| panic!("{id} was not told: {event}"));
                known.1 = event["count"].as_u64().unwrap();
                continue;
            }
            _ => continue,
        };
        let count = event["count"].as_u64().unwrap();
        let before = kinds.insert(event["id"].as_u64().unwrap(), ((text("name"), answer), count));
        assert_eq!(before, None, "told twice: {event}");
    }
    let mut calls = BTreeMap::new();
    for (call, count) in kinds.into_values() {
        *calls.entry(call).or_default() += count;
    }
    calls
}
