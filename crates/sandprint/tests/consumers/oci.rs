//! runc and crun start the recorded workload under its OCI profile, each with and without `no_new_privs`.

use std::fs::{self, File};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::container::{Cgroups, base_config, container_name, in_cgroup2};
use crate::expect::skip;
use crate::shell::{Ended, find, is_root, run};
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
    let profile = oci_profile(workload, &["--runtime", runtime]);
    for no_new_privs in [true, false] {
        let context = format!("{runtime}, noNewPrivileges {no_new_privs}");
        let ls = Bundle::new(runtime, workload, no_new_privs, &["ls", "/list"], Some(&profile));
        for start in 0..STARTS {
            let ended = ls.start();
            assert!(ended.status.success(), "{context}, start {start}: {ended}");
            assert_eq!(ended.stdout, LISTED, "{context}, start {start}: {ended}");
        }
        let arguments = ["mkdir", "/tmp/made"];
        let refused = Bundle::new(runtime, workload, no_new_privs, &arguments, Some(&profile)).start();
        assert_eq!(refused.status.code(), Some(1), "{context}: {refused}");
        assert!(refused.stderr.contains(REFUSED), "{context}: {refused}");
        // Nothing but the profile stood in its way.
        let allowed = Bundle::new(runtime, workload, no_new_privs, &arguments, None).start();
        assert!(allowed.status.success(), "{context}, without a profile: {allowed}");
    }
}

#[test]
fn engines_may_create_the_container_execute_in_it_and_start_it_later() {
    if !is_root() {
        return skip("root", "containers are started by root");
    }
    let Some(workload) = recorded() else { return };
    for runtime in ["runc", "crun"] {
        if find(runtime).is_none() {
            skip(runtime, &format!("there is no {runtime} in PATH"));
            continue;
        }
        let profile = oci_profile(workload, &["--runtime", runtime]);
        for no_new_privs in [true, false] {
            let bundle = Bundle::new(runtime, workload, no_new_privs, &["ls", "/list"], Some(&profile));
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
    let profile = oci_profile(workload, &[]);
    let ended = Bundle::new("runc", workload, false, &["ls", "/list"], Some(&profile)).start();
    assert!(!ended.status.success(), "{ended}");
    assert_eq!(ended.stdout, "", "{ended}");
}

/// What busybox says when `mkdir` is refused with the errno of the profiles.
const REFUSED: &str = "can't create directory '/tmp/made': Operation not permitted";

fn oci_profile(workload: &Workload, options: &[&str]) -> Value {
    serde_json::from_str(&workload.profile("oci", options)).expect("the profile is JSON")
}

/// A container's folder: its configuration, beside the workload's root.
struct Bundle<'r> {
    _cgroups: Cgroups,
    runtime: &'r str,
    folder: TempDir,
    config: Value,
}

impl<'r> Bundle<'r> {
    fn new(
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
    fn start(&self) -> Ended {
        self.write(&self.config);
        let name = container_name();
        run(&mut in_cgroup2(&[self.runtime, "run", "--bundle", self.path(), &name]))
    }

    /// Creates the container, which then waits until it is started.
    fn create(&self) -> Created<'_> {
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
