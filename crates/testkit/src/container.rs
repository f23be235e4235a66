//! What starting containers with runc and crun takes on any machine: a pure cgroup2, names, a configuration.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The machine's cgroups, borrowed while containers run: runtimes leave controllers enabled at the root. When the last
/// of this process's borrowers is done, the root is as it was before the first.
#[derive(Debug)]
pub struct Cgroups(());

/// The borrowers, and the controllers that were enabled before them.
static BORROWED: Mutex<(usize, BTreeSet<String>)> = Mutex::new((0, BTreeSet::new()));

impl Cgroups {
    /// Borrows them, until this is dropped.
    pub fn borrow() -> Cgroups {
        let mut borrowed = lock();
        if borrowed.0 == 0 {
            borrowed.1 = words(&control());
        }
        borrowed.0 += 1;
        Cgroups(())
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        let mut borrowed = lock();
        borrowed.0 -= 1;
        if borrowed.0 > 0 {
            return;
        }
        // A runtime may be too early to remove the cgroup of a container that has just been killed.
        let own = format!("{}-", container_prefix());
        for entry in fs::read_dir(root()).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&own) {
                remove_soon(&entry.path());
            }
        }
        for added in words(&control()).difference(&borrowed.1) {
            if let Err(error) = fs::write(control(), format!("-{added}")) {
                eprintln!("{}: -{added}: {error}", control().display());
            }
        }
    }
}

fn lock() -> MutexGuard<'static, (usize, BTreeSet<String>)> {
    BORROWED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The root of cgroup2, in the hybrid layout or the pure one. What a borrower makes there with a [`container_name`] is
/// removed with the containers' cgroups.
pub fn root() -> &'static Path {
    let hybrid = Path::new("/sys/fs/cgroup/unified");
    if hybrid.is_dir() { hybrid } else { Path::new("/sys/fs/cgroup") }
}

fn control() -> PathBuf {
    root().join("cgroup.subtree_control")
}

fn words(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Removes a cgroup and those below it.
fn remove_soon(cgroup: &Path) {
    for inner in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if inner.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_soon(&inner.path());
        }
    }
    let begin = Instant::now();
    while let Err(error) = fs::remove_dir(cgroup) {
        if !cgroup.exists() || begin.elapsed() > Duration::from_secs(2) {
            return eprintln!("{}: {error}", cgroup.display());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// How the names of this test process's containers begin.
fn container_prefix() -> String {
    format!("sandprint-test-{}", process::id())
}

/// A name that no other container has.
pub fn container_name() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("{}-{}", container_prefix(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A command line with a pure cgroup2 at `/sys/fs/cgroup`, in a mount namespace of its own: crun takes no other,
/// and the machine's own may be another.
pub fn words_in_cgroup2<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let view = "umount -l -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec \"$@\"";
    [&["unshare", "--mount", "--propagation", "private", "sh", "-c", view, "sh"][..], words].concat()
}

/// Why containers cannot be started here, by root, if they cannot: in a chroot, a mount namespace has no root of its own
/// that could be made private, and nowhere to mount cgroups.
pub fn why_no_containers() -> Option<String> {
    let tried = in_cgroup2(&["true"]).output();
    let output = match tried {
        Ok(output) => output,
        Err(error) => return Some(format!("unshare: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    (!output.status.success()).then_some(said)
}

/// The same as a command.
pub fn in_cgroup2(words: &[&str]) -> Command {
    let words = words_in_cgroup2(words);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// The runtime's own idea of a container in that folder, without a terminal, and without a filter.
pub fn base_config(runtime: &str, bundle: &Path) -> Value {
    let folder = bundle.to_str().expect("it has a plain name");
    let spec = in_cgroup2(&[runtime, "spec", "--bundle", folder]).output().expect("it starts");
    assert!(spec.status.success(), "{runtime} spec: {}", String::from_utf8_lossy(&spec.stderr));
    let text = fs::read_to_string(bundle.join("config.json")).expect("it was written");
    let mut config: Value = serde_json::from_str(&text).expect("it is JSON");
    config["process"]["terminal"] = json!(false);
    let linux = config["linux"].as_object_mut().expect("it is for Linux");
    // A rule about devices needs more locked memory than a machine may allow.
    linux.remove("resources");
    linux.remove("seccomp");
    config
}
