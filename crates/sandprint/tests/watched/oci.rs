//! Containers of runc and crun, with a profile that has every action but the one that wants an agent (notify).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::expect::skip;
use crate::support::{Gate, Watching, caller, can_watch, is_root};

#[test]
fn what_runc_refuses_is_told_with_its_container() {
    check("runc");
}

#[test]
fn what_crun_refuses_is_told_with_its_container() {
    check("crun");
}

const COUNT: u64 = 7;

fn check(runtime: &str) {
    if Command::new(runtime).arg("--version").output().is_err() {
        return skip(runtime, &format!("there is no {runtime} in PATH"));
    }
    if !is_root() {
        return skip("root", "containers are started by root");
    }
    if !can_watch() {
        return;
    }
    let Some(caller) = caller() else { return };
    let _machine = Machine::borrow();
    let folder = bundle(runtime, caller);
    let name = format!("sandprint-watched-{}", process::id());
    let bundle = folder.path().to_str().unwrap();
    let mut gate = Gate::before(&in_cgroup2(&[runtime, "run", "--bundle", bundle, &name]));
    let watching = Watching::start(&["--pid", &gate.pid().to_string(), "--format", "json"]);
    let status = gate.go();
    let told = watching.end();
    assert!(status.success(), "{runtime}: {status}");
    told.assert_calls(
        runtime,
        &[
            ("sched_get_priority_min", "logged", COUNT),
            ("sched_getparam", "errno EACCES by filter", COUNT),
            ("sched_getscheduler", "trap by filter", COUNT),
            ("getcpu", "kill-thread by filter", COUNT),
            ("sched_rr_get_interval", "kill-process by filter", COUNT),
            ("get_robust_list", "trace 7 by filter", COUNT),
        ],
    );
    for event in told.of_kind("denial") {
        assert_eq!(event["container"], json!({"id": container(), "names": []}), "{event}");
        assert_eq!(event["process"]["image"], "/bin/caller", "{event}");
        assert_eq!(event["location"]["module"], "/bin/caller", "{event}");
        assert_eq!(event["doubt"], json!(null), "{event}");
    }
}

/// A folder with a container's configuration and its root, in which there is the caller alone.
fn bundle(runtime: &str, caller: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let words = in_cgroup2(&[runtime, "spec", "--bundle", path.to_str().unwrap()]);
    let spec = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(spec.status.success(), "{runtime} spec: {}", String::from_utf8_lossy(&spec.stderr));
    for inner in ["bin", "dev", "proc", "sys"] {
        fs::create_dir_all(path.join("root").join(inner)).unwrap();
    }
    fs::copy(caller, path.join("root/bin/caller")).unwrap();
    let text = fs::read_to_string(path.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["/bin/caller", COUNT.to_string()]);
    config["root"] = json!({"path": path.join("root"), "readonly": true});
    let linux = config["linux"].as_object_mut().unwrap();
    // A rule about devices needs more locked memory than a machine may allow.
    linux.remove("resources");
    linux.insert("cgroupsPath".to_owned(), json!(cgroup()));
    let rule = |name: &str, action: &str| json!({"names": [name], "action": action});
    let mut with_errno =
        [rule("sched_getparam", "SCMP_ACT_ERRNO"), rule("get_robust_list", "SCMP_ACT_TRACE")];
    with_errno[0]["errnoRet"] = json!(13);
    with_errno[1]["errnoRet"] = json!(7);
    let mut rules = vec![
        rule("sched_get_priority_min", "SCMP_ACT_LOG"),
        rule("sched_getscheduler", "SCMP_ACT_TRAP"),
        rule("getcpu", "SCMP_ACT_KILL_THREAD"),
        rule("sched_rr_get_interval", "SCMP_ACT_KILL_PROCESS"),
    ];
    rules.extend(with_errno);
    linux.insert("seccomp".to_owned(), json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}));
    fs::write(path.join("config.json"), config.to_string()).unwrap();
    folder
}

/// A command line with a pure cgroup2 at `/sys/fs/cgroup`, in a mount namespace of its own: crun takes no other, and
/// the machine's own may be another.
fn in_cgroup2<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let view = "umount -l -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec \"$@\"";
    [&["unshare", "--mount", "--propagation", "private", "sh", "-c", view, "sh"][..], words].concat()
}

/// An id as engines give it.
fn container() -> String {
    format!("{:064x}", process::id())
}

/// Where the container is to be, below the mount.
fn cgroup() -> String {
    format!("/sandprint-watched-{}/{}", process::id(), container())
}

/// The machine's cgroups, which one test at a time may use: runtimes leave controllers enabled at the root.
struct Machine {
    root: PathBuf,
    controllers: BTreeSet<String>,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Machine {
    fn borrow() -> Machine {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let hybrid = Path::new("/sys/fs/cgroup/unified");
        let root = if hybrid.is_dir() { hybrid } else { Path::new("/sys/fs/cgroup") };
        let controllers = words(&root.join("cgroup.subtree_control"));
        Machine { root: root.to_owned(), controllers, _turn: turn }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let inner = self.root.join(cgroup().trim_start_matches('/'));
        // A runtime may be too early to remove the cgroup of a container that has just ended.
        remove_soon(&inner);
        if let Some(outer) = inner.parent() {
            remove_soon(outer);
        }
        let control = self.root.join("cgroup.subtree_control");
        for added in words(&control).difference(&self.controllers) {
            if let Err(error) = fs::write(&control, format!("-{added}")) {
                eprintln!("{}: -{added}: {error}", control.display());
            }
        }
    }
}

fn remove_soon(cgroup: &Path) {
    let begin = Instant::now();
    while cgroup.exists() {
        match fs::remove_dir(cgroup) {
            Err(error) if begin.elapsed() > Duration::from_secs(2) => {
                return eprintln!("{}: {error}", cgroup.display());
            }
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn words(file: &Path) -> BTreeSet<String> {
    fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}
