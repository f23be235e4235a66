//! runc and crun start the recorded workload under its OCI profile, each with and without `no_new_privs`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::expect::skip;
use crate::shell::{Ended, find, run};
use crate::workload::{LISTED, Workload, recorded};

/// How often each container is started: a call that a runtime makes in few of its starts only must be
/// allowed too.
const STARTS: usize = 10;

#[test]
fn runc_starts_the_workload_and_its_profile_refuses_another() {
    check("runc");
}

#[test]
fn crun_starts_the_workload_and_its_profile_refuses_another() {
    check("crun");
}

fn check(runtime: &str) {
    if find(runtime).is_none() {
        return skip(runtime, &format!("there is no {runtime} in PATH"));
    }
    if !is_root() {
        return skip("root", "containers are started by root");
    }
    let Some(workload) = recorded() else { return };
    let machine = Machine::borrow();
    let profile = oci_profile(workload, &["--runtime", runtime]);
    for no_new_privs in [true, false] {
        let context = format!("{runtime}, noNewPrivileges {no_new_privs}");
        let ls = Bundle::new(&machine, runtime, workload, no_new_privs, &["ls", "/list"], Some(&profile));
        for start in 0..STARTS {
            let ended = ls.start(start);
            assert!(ended.status.success(), "{context}, start {start}: {ended}");
            assert_eq!(ended.stdout, LISTED, "{context}, start {start}: {ended}");
        }
        let arguments = ["mkdir", "/tmp/made"];
        let refused =
            Bundle::new(&machine, runtime, workload, no_new_privs, &arguments, Some(&profile)).start(0);
        assert_eq!(refused.status.code(), Some(1), "{context}: {refused}");
        assert!(refused.stderr.contains(REFUSED), "{context}: {refused}");
        // Nothing but the profile stood in its way.
        let allowed = Bundle::new(&machine, runtime, workload, no_new_privs, &arguments, None).start(0);
        assert!(allowed.status.success(), "{context}, without a profile: {allowed}");
    }
}

#[test]
fn engines_may_create_the_container_execute_in_it_and_start_it_later() {
    if !is_root() {
        return skip("root", "containers are started by root");
    }
    let Some(workload) = recorded() else { return };
    let machine = Machine::borrow();
    for runtime in ["runc", "crun"] {
        if find(runtime).is_none() {
            skip(runtime, &format!("there is no {runtime} in PATH"));
            continue;
        }
        let profile = oci_profile(workload, &["--runtime", runtime]);
        for no_new_privs in [true, false] {
            let bundle =
                Bundle::new(&machine, runtime, workload, no_new_privs, &["ls", "/list"], Some(&profile));
            let created = bundle.create();
            let listed = created.execute(&["ls", "/list"]);
            let context = format!("{runtime} exec, noNewPrivileges {no_new_privs}");
            assert!(listed.status.success(), "{context}: {listed}");
            assert_eq!(listed.stdout, LISTED, "{context}: {listed}");
            let refused = created.execute(&["mkdir", "/tmp/made"]);
            assert_eq!(refused.status.code(), Some(1), "{context}: {refused}");
            assert!(refused.stderr.contains(REFUSED), "{context}: {refused}");
            assert_eq!(created.start(), LISTED, "{runtime} start, noNewPrivileges {no_new_privs}");
        }
    }
}

/// The table of launchers is what makes the others pass.
#[test]
fn without_what_runc_needs_itself_the_container_does_not_start() {
    if find("runc").is_none() {
        return skip("runc", "there is no runc in PATH");
    }
    if !is_root() {
        return skip("root", "containers are started by root");
    }
    let Some(workload) = recorded() else { return };
    let machine = Machine::borrow();
    let profile = oci_profile(workload, &[]);
    let ended = Bundle::new(&machine, "runc", workload, false, &["ls", "/list"], Some(&profile)).start(0);
    assert!(!ended.status.success(), "{ended}");
    assert_eq!(ended.stdout, "", "{ended}");
}

/// What busybox says when `mkdir` is refused with the errno of the profiles.
const REFUSED: &str = "can't create directory '/tmp/made': Operation not permitted";

fn oci_profile(workload: &Workload, options: &[&str]) -> Value {
    serde_json::from_str(&workload.profile("oci", options)).expect("the profile is JSON")
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).stdout.trim() == "0"
}

/// The machine's cgroups, which one test at a time may use: runtimes leave controllers enabled at the root.
#[derive(Debug)]
struct Machine {
    controllers: BTreeSet<String>,
    control: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Machine {
    fn borrow() -> Machine {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let hybrid = Path::new("/sys/fs/cgroup/unified");
        let root = if hybrid.is_dir() { hybrid } else { Path::new("/sys/fs/cgroup") };
        let control = root.join("cgroup.subtree_control");
        Machine { controllers: words(&control), control, _turn: turn }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // A runtime may be too early to remove the cgroup of a container that has just been killed.
        let root = self.control.parent().expect("it lies in the root");
        let own = format!("{}-", container_prefix());
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&own) {
                remove_soon(&entry.path());
            }
        }
        for added in words(&self.control).difference(&self.controllers) {
            if let Err(error) = fs::write(&self.control, format!("-{added}")) {
                eprintln!("{}: -{added}: {error}", self.control.display());
            }
        }
    }
}

/// A command with a pure cgroup2 at `/sys/fs/cgroup`, in a mount namespace of its own: crun takes no other,
/// and the machine's own may be another.
fn in_cgroup2(words: &[&str]) -> Command {
    let view = "umount -l -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", view, "sh"]).args(words);
    command
}

/// How the names of this test process's containers begin.
fn container_prefix() -> String {
    format!("sandprint-test-{}", process::id())
}

fn remove_soon(cgroup: &Path) {
    let begin = Instant::now();
    while let Err(error) = fs::remove_dir(cgroup) {
        if !cgroup.exists() || begin.elapsed() > Duration::from_secs(2) {
            return eprintln!("{}: {error}", cgroup.display());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn words(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// A container's folder: its configuration, beside the workload's root. For as long as the cgroups are ours.
struct Bundle<'m> {
    _machine: &'m Machine,
    runtime: &'m str,
    folder: TempDir,
    config: Value,
}

impl<'m> Bundle<'m> {
    fn new(
        machine: &'m Machine,
        runtime: &'m str,
        workload: &Workload,
        no_new_privs: bool,
        arguments: &[&str],
        profile: Option<&Value>,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bundle = folder.path().to_str().expect("it has a plain name");
        let spec = run(&mut in_cgroup2(&[runtime, "spec", "--bundle", bundle]));
        assert!(spec.status.success(), "{runtime} spec: {spec}");
        let text = fs::read_to_string(folder.path().join("config.json")).expect("it was written");
        let mut config: Value = serde_json::from_str(&text).expect("it is JSON");
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(arguments);
        config["process"]["noNewPrivileges"] = json!(no_new_privs);
        config["root"] = json!({ "path": workload.root(), "readonly": true });
        let mounts = config["mounts"].as_array_mut().expect("there are mounts");
        mounts.push(json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs" }));
        let linux = config["linux"].as_object_mut().expect("it is for Linux");
        // A rule about devices needs more locked memory than a machine may allow.
        linux.remove("resources");
        linux.remove("seccomp");
        linux.extend(profile.map(|profile| ("seccomp".to_owned(), profile.clone())));
        Bundle { _machine: machine, runtime, folder, config }
    }

    fn write(&self, config: &Value) {
        let path = self.folder.path().join("config.json");
        fs::write(path, config.to_string()).expect("the folder is ours");
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().expect("it has a plain name")
    }

    /// Starts the container and waits for its end; the runtime then removes it.
    fn start(&self, number: usize) -> Ended {
        self.write(&self.config);
        let name = format!("{}-{number}", container_prefix());
        run(&mut in_cgroup2(&[self.runtime, "run", "--bundle", self.path(), &name]))
    }

    /// Creates the container, which then waits until it is started.
    fn create(&self) -> Created<'_> {
        self.write(&self.config);
        let name = format!("{}-created", container_prefix());
        let output = self.folder.path().join("output");
        let streams = File::create(&output).expect("the folder is ours");
        let mut create = in_cgroup2(&[self.runtime, "create", "--bundle", self.path(), &name]);
        // Its streams are the container's, which would keep a pipe of ours open.
        create.stdin(Stdio::null()).stdout(streams.try_clone().expect("a file")).stderr(streams);
        let status = create.status().expect("unshare is there");
        assert!(
            status.success(),
            "{} create: {}",
            self.runtime,
            fs::read_to_string(output).unwrap_or_default()
        );
        Created { bundle: self, name }
    }
}

/// A container that waits to be started; removed when it is dropped.
struct Created<'b> {
    bundle: &'b Bundle<'b>,
    name: String,
}

impl Created<'_> {
    fn command(&self, words: &[&str]) -> Ended {
        let mut line = vec![self.bundle.runtime];
        line.extend(words);
        line.push(&self.name);
        run(&mut in_cgroup2(&line))
    }

    fn execute(&self, arguments: &[&str]) -> Ended {
        let mut process = self.bundle.config["process"].clone();
        process["args"] = json!(arguments);
        let path = self.bundle.folder.path().join("process.json");
        fs::write(&path, process.to_string()).expect("the folder is ours");
        self.command(&["exec", "--process", path.to_str().expect("it has a plain name")])
    }

    /// Starts the container, waits for its end, and gives what it printed.
    fn start(&self) -> String {
        let started = self.command(&["start"]);
        assert!(started.status.success(), "{} start: {started}", self.bundle.runtime);
        let begin = Instant::now();
        while !self.command(&["state"]).stdout.contains("stopped") {
            assert!(begin.elapsed() < Duration::from_secs(30), "{} does not end", self.name);
            thread::sleep(Duration::from_millis(20));
        }
        fs::read_to_string(self.bundle.folder.path().join("output")).expect("it was created")
    }
}

impl Drop for Created<'_> {
    fn drop(&mut self) {
        let deleted = self.command(&["delete", "--force"]);
        if !deleted.status.success() {
            eprintln!("{} delete: {deleted}", self.bundle.runtime);
        }
    }
}
