//! Containers of runc and crun, with a profile that has every action, and an agent that answers what is asked of it.

use std::fs;
use std::path::Path;
use std::process::{self, Command};

use serde_json::json;

use crate::caller::caller;
use crate::gate::Gate;
use crate::watching::Watching;
use testkit::beside::Beside;
use testkit::bpf;
use testkit::container::{Cgroups, base_config, container_name, why_no_containers, words_in_cgroup2};
use testkit::expect::skip;
use testkit::shell::is_root;
use testkit::wait::until;

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
    if let Some(why) = why_no_containers() {
        return skip(runtime, &why);
    }
    if !bpf::can_load() {
        return;
    }
    let Some(caller) = caller() else { return };
    let _cgroups = Cgroups::borrow();
    let name = container_name();
    let folder = bundle(runtime, caller, &format!("/{name}/{}", container()));
    let _agent = start_agent(caller, &folder.path().join(SOCKET));
    let bundle = folder.path().to_str().unwrap();
    let mut gate = Gate::around(&words_in_cgroup2(&[runtime, "run", "--bundle", bundle, &name]));
    let watching = Watching::start(&["--pid", &gate.pid().to_string(), "--format", "json"]);
    let (status, told) = watching.over(&mut gate, COUNT);
    assert_eq!(status, 0, "{runtime}: {told:?}");
    told.assert_calls(
        runtime,
        &[
            ("sched_get_priority_min", "logged", COUNT),
            ("sched_getparam", "errno EACCES by filter", COUNT),
            ("sched_getscheduler", "trap by filter", COUNT),
            ("getcpu", "kill-thread by filter", COUNT),
            ("sched_rr_get_interval", "kill-process by filter", COUNT),
            ("get_robust_list", "trace 7 by filter", COUNT),
            ("personality", "notify by supervisor", COUNT),
        ],
    );
    for event in told.of_kind("denial") {
        assert_eq!(event["container"], json!({"id": container(), "names": []}), "{event}");
        assert_eq!(event["process"]["image"], "/bin/caller", "{event}");
        assert_eq!(event["location"]["module"], "/bin/caller", "{event}");
        assert_eq!(event["doubt"], json!(null), "{event}");
    }
}

/// Where the agent listens, in the bundle.
const SOCKET: &str = "agent";

/// Starts what refuses what it is asked, from outside of the container.
fn start_agent(caller: &Path, socket: &Path) -> Beside {
    let agent = Beside::start(Command::new(caller).arg("agent").arg(socket));
    until("the agent's socket", || socket.exists().then_some(()));
    agent
}

/// A folder with a container's configuration and its root, in which there is the caller alone.
fn bundle(runtime: &str, caller: &Path, cgroup: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut config = base_config(runtime, path);
    for inner in ["bin", "dev", "proc", "sys"] {
        fs::create_dir_all(path.join("root").join(inner)).unwrap();
    }
    // By another process: a child of ours could hold a descriptor that has it open for writing.
    let copied = Command::new("cp").arg(caller).arg(path.join("root/bin/caller")).status().unwrap();
    assert!(copied.success(), "{copied}");
    config["process"]["args"] = json!(["/bin/caller", COUNT.to_string()]);
    config["root"] = json!({"path": path.join("root"), "readonly": true});
    let linux = config["linux"].as_object_mut().unwrap();
    linux.insert("cgroupsPath".to_owned(), json!(cgroup));
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
        rule("personality", "SCMP_ACT_NOTIFY"),
    ];
    rules.extend(with_errno);
    linux.insert(
        "seccomp".to_owned(),
        json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "listenerPath": path.join(SOCKET),
            "syscalls": rules,
        }),
    );
    fs::write(path.join("config.json"), config.to_string()).unwrap();
    folder
}

/// An id as engines give it.
fn container() -> String {
    format!("{:064x}", process::id())
}
