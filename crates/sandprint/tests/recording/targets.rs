//! One recorder follows many targets at once, and each has a footprint of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sandprint_model::{KernelVersion, RunId, Trace, wire};
use sandprint_record::ebpf::{Hooks, Options, Recorder, TargetId, Tasks};
use sandprint_record::host::HostFacts;
use sandprint_record::target::{Entry, Target};
use tempfile::TempDir;
use testkit::cgroup::Group;

use crate::calls::{Key, Row, Table, differences, table};
use crate::header::{Size, Witness};
use crate::recorder::TraceFile;
use crate::witnesses::{local, ready};
use crate::{recorder, run, turns};

/// A witness, and what starts it when its standard input ends: not our child, since a recorder's own children are
/// followed by nobody, and the test is the recorder here.
struct Waiting {
    witness: Witness,
    folder: TempDir,
    parent: Child,
    pid: u32,
}

impl Waiting {
    fn new(name: &str) -> Option<Waiting> {
        let (witness, folder) = ready(name, Size::Recorded, &[])?;
        let words = witness.command(Size::Recorded).join(" ");
        let mut parent = Command::new("sh");
        parent.args(["-c", &format!("sh -c 'echo $$; read -r line; exec {words}'; exit $?")]);
        run::prepare(&mut parent, folder.path());
        let mut parent =
            parent.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is a shell");
        let mut line = String::new();
        let output = parent.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it tells its number");
        let pid = line.trim().parse().expect("a number");
        Some(Waiting { witness, folder, parent, pid })
    }

    /// Lets it run to its end.
    fn go(&mut self) {
        drop(self.parent.stdin.take());
        assert!(self.parent.wait().expect("it is our child").success(), "{}", self.witness.name);
    }

    /// What its programs are to be seen to call; the shell's own exec is the shell's.
    fn expected(&self) -> Table {
        let mut expected = self.witness.expected(Size::Recorded);
        for (key, count) in &mut expected {
            if key.image == self.witness.name && key.to_string().ends_with(" execve") {
                *count -= 1;
            }
        }
        expected.retain(|_, count| *count > 0);
        expected
    }

    /// What was seen of the programs in its folder.
    fn seen(&self, trace: &Trace) -> Table {
        let path = self.folder.path().join("trace.json");
        fs::write(&path, wire::encode_trace(trace)).expect("the folder is ours");
        let rows = TraceFile(path).by_image().into_iter();
        let ours = rows.map(|row| Row { image: local(&row.image, self.folder.path()), ..row });
        let ours: Vec<Row> = ours.filter(|row| !row.image.starts_with('/')).collect();
        table(&ours, &self.expected())
    }
}

fn differing(expected: &[&Waiting], trace: &Trace) -> String {
    let (mut all, mut seen) = (Table::new(), Table::new());
    for waiting in expected {
        let own = |table: Table| {
            table
                .into_iter()
                .map(|(key, count)| {
                    (Key { image: format!("{} of {}", key.image, waiting.witness.name), ..key }, count)
                })
                .collect::<Table>()
        };
        all.extend(own(waiting.expected()));
        seen.extend(own(waiting.seen(trace)));
    }
    differences(&all, &seen)
}

#[test]
fn each_of_many_targets_has_its_own_footprint() {
    let _turn = turns::alone();
    if !recorder::can_record() {
        return;
    }
    // The last is not the best way before 7.0. Where its maps cannot be read by programs, they are read by bpf(2).
    let mut ways = vec![(None, None), (Some(Tasks::ByTid), None)];
    let takes_them = HostFacts::probe().kernel().is_some_and(|kernel| kernel >= KernelVersion::new(6, 12));
    if takes_them && Path::new("/sys/kernel/tracing/events/sched/sched_process_fork/id").exists() {
        ways.push((None, Some(Hooks::Tracepoints)));
    }
    for (tasks, hooks) in ways {
        let (Some(one), Some(two)) = (Group::new(), Group::new()) else { return };
        let witnesses = ["fork_tree", "getppid_loop", "names", "getppid_loop", "names"].map(Waiting::new);
        let [Some(mut in_one), Some(mut in_two), Some(mut by_pid), Some(mut below), Some(mut outside)] =
            witnesses
        else {
            return;
        };
        one.take(in_one.pid);
        two.take(in_two.pid);
        let cgroup = |group: &Group| Target::Cgroup { directory: group.path().into(), words: String::new() };
        let targets = vec![cgroup(&one), Target::Processes(vec![by_pid.pid]), cgroup(&two)];
        let options = Options { tasks, hooks, ..Options::of(targets, Entry::Call) };
        let mut recorder = Recorder::load(&options, &HostFacts::probe()).expect("this machine can record");
        recorder.attach().expect("these targets are there");
        // Made while it is recorded: it belongs to whoever it lies below.
        let new = two.below("new");
        new.take(below.pid);
        for waiting in [&mut in_one, &mut in_two, &mut by_pid, &mut below, &mut outside] {
            waiting.go();
        }
        recorder.stop().expect("it records");
        let ids: Vec<TargetId> = recorder.targets().map(|(id, _)| id).collect();
        let mut footprint = |place: usize| {
            let mut trace = Trace::default();
            recorder.collect(ids[place], &RunId::from_bits(1), 0, &mut trace).expect("it has stopped");
            trace
        };
        assert_eq!(differing(&[&in_one], &footprint(0)), "", "{tasks:?}, {hooks:?}");
        assert_eq!(differing(&[&by_pid], &footprint(1)), "", "{tasks:?}, {hooks:?}");
        assert_eq!(differing(&[&in_two, &below], &footprint(2)), "", "{tasks:?}, {hooks:?}");
        for (place, trace) in [footprint(0), footprint(1), footprint(2)].iter().enumerate() {
            let strangers = [&in_one, &by_pid, &in_two, &below, &outside].into_iter().enumerate();
            let home = [0, 1, 2, 2, 9];
            for (_, stranger) in strangers.filter(|(at, _)| home[*at] != place) {
                assert_eq!(stranger.seen(trace), Table::new(), "{} at {place}", stranger.witness.name);
            }
        }
    }
}

/// A shell, not our child, that has come into the cgroup and waits for a line: then it does something and executes.
fn come(group: &Group, does: &str) -> Child {
    let inner = format!("echo $$ > {}/cgroup.procs; echo in; read -r line; {does}", group.path());
    let mut parent = Command::new("sh");
    parent.args(["-c", "sh -c \"$1\"; exit $?", "sh", &inner]);
    let mut parent = parent.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is a shell");
    let mut line = String::new();
    BufReader::new(parent.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("it says so");
    assert_eq!(line, "in\n");
    parent
}

#[test]
fn who_comes_into_a_cgroup_is_followed_from_its_exec_where_a_manager_sets_it_up() {
    let _turn = turns::alone();
    if !recorder::can_record() {
        return;
    }
    // Whether what the shells did themselves is seen: that of the one that was there, and of the one that came.
    for (entry, of_the_first, of_the_second) in
        [(Entry::Call, true, true), (Entry::Exec, true, false), (Entry::ExecAnew, false, false)]
    {
        let Some(group) = Group::new() else { return };
        let mut first = come(&group, "kill -0 $$; exec true");
        let target = Target::Cgroup { directory: group.path().into(), words: String::new() };
        for tasks in [None, Some(Tasks::ByTid)] {
            let options = Options { tasks, ..Options::of(vec![target.clone()], entry) };
            let mut recorder =
                Recorder::load(&options, &HostFacts::probe()).expect("this machine can record");
            recorder.attach().expect("the cgroup is there");
            // Who is born at once may be a child of who was there.
            std::thread::sleep(std::time::Duration::from_millis(200));
            let mut second = come(&group, "umask 022; exec sleep 0");
            for shell in [&mut first, &mut second] {
                drop(shell.stdin.take());
                assert!(shell.wait().expect("it is our child").success());
            }
            recorder.stop().expect("it records");
            let mut trace = Trace::default();
            recorder.collect(TargetId::FIRST, &RunId::from_bits(1), 0, &mut trace).expect("it has stopped");
            let seen = |name: &str| trace.syscalls().iter().any(|call| call.name() == Some(name));
            assert_eq!((seen("kill"), seen("umask")), (of_the_first, of_the_second), "{entry:?} {tasks:?}");
            let programs: Vec<String> = trace.images().iter().map(|image| image.path.to_string()).collect();
            for program in ["true", "sleep"] {
                // Where busybox stands for all of them, it is what runs.
                let path = ["/bin", "/usr/bin"]
                    .iter()
                    .find_map(|folder| fs::canonicalize(format!("{folder}/{program}")).ok());
                let path = path.expect("there is such a program").display().to_string();
                assert!(programs.contains(&path), "{path}: {programs:?}");
            }
            assert!(seen("execve"), "the footprint begins with it");
            let is_gap = trace.blocking_gaps().next().is_some();
            assert_eq!(is_gap, entry != Entry::ExecAnew, "{entry:?}: one was there before");
            first = come(&group, "kill -0 $$; exec true");
        }
        drop(first.stdin.take());
        first.wait().expect("it is our child");
    }
}

#[test]
fn a_directory_that_is_no_cgroup_is_refused() {
    if !recorder::can_record() {
        return;
    }
    let folder: PathBuf = fs::canonicalize(".").expect("we are somewhere");
    let target = Target::Cgroup { directory: folder.clone(), words: String::new() };
    let options = Options::of(vec![target], Entry::Call);
    let mut recorder = Recorder::load(&options, &HostFacts::probe()).expect("this machine can record");
    let error = recorder.attach().expect_err("it is no cgroup").to_string();
    assert_eq!(error, format!("open the cgroup {}", Path::new(&folder).display()));
}
