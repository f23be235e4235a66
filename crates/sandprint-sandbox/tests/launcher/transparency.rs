//! What a workload is given is what it would be given without us, whatever our caller had set up.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::program;

/// Callers: what a shell does before it becomes the command.
const CALLERS: [&str; 21] = [
    r#"exec "$@""#,
    r#"trap "" PIPE; exec "$@""#,
    r#"trap "" HUP INT QUIT USR1 USR2 ALRM TERM CHLD TSTP TTIN TTOU CONT WINCH; exec "$@""#,
    r#"exec env --ignore-signal=CHLD --ignore-signal=RTMIN+3 --ignore-signal=RTMAX "$@""#,
    r#"exec env --default-signal --block-signal=PIPE,TERM,USR2,CHLD,TSTP,RTMAX "$@""#,
    r#"exec env --block-signal "$@""#,
    r#"exec "$@" 0<&-"#,
    r#"exec "$@" 1>&-"#,
    r#"exec "$@" 2>&-"#,
    r#"exec "$@" 0<&- 1>&- 2>&-"#,
    r#"exec "$@" 3</dev/null 4>/dev/null 9<>/dev/null"#,
    r#"exec "$@" 3</dev/null 0<&-"#,
    r#"ulimit -n 100; ulimit -S -c 0; ulimit -S -s 4096; exec "$@""#,
    r#"umask 027; exec "$@""#,
    r#"cd /usr/bin; exec "$@""#,
    r#"exec nice -n 5 "$@""#,
    r#"exec taskset -c 0 "$@""#,
    r#"exec setpriv --no-new-privs "$@""#,
    r#"exec setsid "$@""#,
    r#"exec env -i A=1 B= "C=x y" PATH="$PATH" "$@""#,
    r#"exec choom -n 500 -- "$@""#,
];

#[test]
fn a_workload_sees_what_it_would_see_without_us() {
    let launch = program::word();
    for caller in CALLERS {
        let (_bare_child, bare) = sleep_under(caller, &["sleep", "1000"]);
        let (_ours_child, ours) = sleep_under(caller, &[&launch, "sleep", "1000"]);
        assert!(bare.len() > 50, "{} facts are few", bare.len());
        assert_eq!(ours, bare, "under {caller}");
    }
}

#[test]
fn a_pause_changes_nothing() {
    let caller = r#"trap "" USR1; exec "$@" 0<&-"#;
    let (_bare_child, bare) = sleep_under(caller, &["sleep", "1000"]);
    let (_ours_child, ours) = sleep_under(caller, &[&program::word(), "--pause", "50", "sleep", "1000"]);
    assert_eq!(ours, bare);
}

#[test]
fn the_comparison_can_fail() {
    let (_first_child, first) = sleep_under(r#"exec "$@""#, &["sleep", "1000"]);
    for caller in &CALLERS[1..] {
        let (_child, facts) = sleep_under(caller, &["sleep", "1000"]);
        assert_ne!(facts, first, "{caller} changes nothing that is compared");
    }
}

/// A process that ends with its test.
struct Guard(Child, u32);

impl Drop for Guard {
    fn drop(&mut self) {
        let kill = sandprint_sandbox::process::kill_process;
        kill(self.1, sandprint_sandbox::signals::Signal::KILL).unwrap();
        self.0.wait().unwrap();
    }
}

/// Has `caller` run a command that comes down to sleep(1), and looks at that.
fn sleep_under(caller: &str, command: &[&str]) -> (Guard, BTreeMap<String, String>) {
    let null = || Stdio::from(fs::File::options().read(true).write(true).open("/dev/null").unwrap());
    let child = Command::new("sh")
        .args(["-c", caller, "sh"])
        .args(command)
        .stdin(null())
        .stdout(null())
        .stderr(null())
        .spawn()
        .unwrap();
    let pid = child.id();
    let sleep = program::wait_for(&format!("sleep under {caller}"), || {
        let candidates = program::children(pid).into_iter().chain([pid]);
        candidates.into_iter().find(|&pid| program::is_running(pid, "sleep"))
    });
    let guard = Guard(child, sleep);
    program::wait_for_state(sleep, 'S');
    (guard, facts(sleep))
}

/// All that a process was given and that /proc shows, but for its number, its parent and its past.
fn facts(pid: u32) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let directory = Path::new("/proc").join(pid.to_string());
    let own = pid.to_string();

    let status = fs::read_to_string(directory.join("status")).unwrap();
    for line in status.lines() {
        let (name, value) = line.split_once(':').unwrap();
        let wanted = ["Umask", "Uid", "Gid", "Groups", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"]
            .contains(&name)
            || ["Cap", "NoNewPrivs", "Seccomp", "Cpus_allowed", "Mems_allowed", "TracerPid", "Threads"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
        if wanted {
            facts.insert(format!("status {name}"), value.trim().to_owned());
        }
    }

    let stat = program::stat(pid).unwrap();
    let fields = [
        (5, "process group"),
        (6, "session"),
        (7, "terminal"),
        (8, "foreground group"),
        (18, "priority"),
        (19, "nice"),
        (38, "exit signal"),
        (40, "real-time priority"),
        (41, "scheduling policy"),
    ];
    for (number, name) in fields {
        // In a session of its own the leader's number is its own: by itself without us, its parent's with us.
        let value = &stat[number - 3];
        let parent = &stat[1];
        let value = if *value == own || *value == *parent { "of the job" } else { value };
        facts.insert(format!("stat {name}"), value.to_owned());
    }

    for link in ["cwd", "root", "exe"] {
        let target = fs::read_link(directory.join(link)).unwrap();
        facts.insert(link.to_owned(), target.display().to_string());
    }
    for entry in fs::read_dir(directory.join("ns")).unwrap() {
        let entry = entry.unwrap();
        let target = fs::read_link(entry.path()).unwrap();
        facts.insert(format!("namespace {}", entry.file_name().display()), target.display().to_string());
    }
    for entry in fs::read_dir(directory.join("fd")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let information = fs::read_to_string(directory.join("fdinfo").join(&name)).unwrap();
        let flags = information.lines().find(|line| line.starts_with("flags")).unwrap();
        let target = fs::read_link(entry.path()).unwrap();
        let inode = fs::metadata(entry.path()).map(|metadata| metadata.ino()).unwrap();
        facts.insert(format!("descriptor {name}"), format!("{} {inode} {flags}", target.display()));
    }

    let files = [
        "cmdline",
        "environ",
        "limits",
        "oom_score_adj",
        "personality",
        "cgroup",
        "coredump_filter",
        "loginuid",
        "timens_offsets",
        "autogroup",
        "timerslack_ns",
    ];
    for file in files {
        // Not every kernel has all of them, and some are for root only.
        if let Ok(bytes) = fs::read(directory.join(file)) {
            let mut text = String::from_utf8_lossy(&bytes).into_owned();
            if file == "autogroup" {
                // A new session gets a new number.
                text.retain(|character| !character.is_ascii_digit());
            }
            facts.insert(file.to_owned(), text);
        }
    }
    facts
}
