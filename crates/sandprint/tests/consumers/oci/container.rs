//! Containers of runc and crun: a bundle, and what becomes of it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shell::{Ended, run};
use crate::workload::Workload;

/// Whether we are root, who alone starts containers here.
pub(super) fn is_root() -> bool {
    run(Command::new("id").arg("-u")).stdout.trim() == "0"
}

/// The machine's cgroups, which one test at a time may use: runtimes leave controllers enabled at the root.
#[derive(Debug)]
pub(super) struct Machine {
    controllers: BTreeSet<String>,
    control: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Machine {
    pub(super) fn borrow() -> Machine {
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
pub(super) struct Bundle<'m> {
    _machine: &'m Machine,
    runtime: &'m str,
    folder: TempDir,
    config: Value,
}

impl<'m> Bundle<'m> {
    pub(super) fn new(
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
    pub(super) fn start(&self, number: usize) -> Ended {
        self.write(&self.config);
        let name = format!("{}-{number}", container_prefix());
        run(&mut in_cgroup2(&[self.runtime, "run", "--bundle", self.path(), &name]))
    }

    /// Creates the container, which then waits until it is started.
    pub(super) fn create(&self) -> Created<'_> {
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
pub(super) struct Created<'b> {
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

    pub(super) fn execute(&self, arguments: &[&str]) -> Ended {
        let mut process = self.bundle.config["process"].clone();
        process["args"] = json!(arguments);
        let path = self.bundle.folder.path().join("process.json");
        fs::write(&path, process.to_string()).expect("the folder is ours");
        self.command(&["exec", "--process", path.to_str().expect("it has a plain name")])
    }

    /// Starts the container, and gives the number of its first process.
    pub(super) fn release(&self) -> u32 {
        let started = self.command(&["start"]);
        assert!(started.status.success(), "{} start: {started}", self.bundle.runtime);
        let state: Value = serde_json::from_str(&self.command(&["state"]).stdout).expect("it is JSON");
        state["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("it runs")
    }

    /// Starts the container, waits for its end, and gives what it printed.
    pub(super) fn start(&self) -> String {
        self.release();
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
