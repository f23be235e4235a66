//! Containers of runc and crun: a bundle, and what becomes of it.

use std::fs::{self, File};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::workload::Workload;
use testkit::container::{Cgroups, base_config, container_name, in_cgroup2};
use testkit::shell::{Ended, run};
use testkit::wait::until;

/// A container's folder: its configuration, beside the workload's root.
pub(super) struct Bundle<'r> {
    _cgroups: Cgroups,
    runtime: &'r str,
    folder: TempDir,
    config: Value,
}

impl<'r> Bundle<'r> {
    pub(super) fn new(
        runtime: &'r str,
        workload: &Workload,
        no_new_privs: bool,
        arguments: &[&str],
        profile: Option<&Value>,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = base_config(runtime, folder.path());
        config["process"]["args"] = json!(arguments);
        config["process"]["noNewPrivileges"] = json!(no_new_privs);
        config["root"] = json!({ "path": workload.root(), "readonly": true });
        let mounts = config["mounts"].as_array_mut().expect("there are mounts");
        mounts.push(json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs" }));
        let linux = config["linux"].as_object_mut().expect("it is for Linux");
        linux.extend(profile.map(|profile| ("seccomp".to_owned(), profile.clone())));
        Bundle { _cgroups: Cgroups::borrow(), runtime, folder, config }
    }

    fn write(&self, config: &Value) {
        let path = self.folder.path().join("config.json");
        fs::write(path, config.to_string()).expect("the folder is ours");
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().expect("it has a plain name")
    }

    /// Starts the container and waits for its end; the runtime then removes it.
    pub(super) fn start(&self) -> Ended {
        self.write(&self.config);
        let name = container_name();
        run(&mut in_cgroup2(&[self.runtime, "run", "--bundle", self.path(), &name]))
    }

    /// Creates the container, which then waits until it is started.
    pub(super) fn create(&self) -> Created<'_> {
        self.write(&self.config);
        let name = container_name();
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
        until("its end", || self.command(&["state"]).stdout.contains("stopped").then_some(()));
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
