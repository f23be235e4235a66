//! A root for a systemd of one's own: its units, and the folder where they leave what came of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::expect::skip;
use testkit::mounts::why_no_mounts;
use testkit::shell::run;

/// The manager, where distributions put it.
const SYSTEMD: &str = "/usr/lib/systemd/systemd";

/// Whether a systemd can be booted here; where not, the test has said so.
pub(super) fn can_boot() -> bool {
    if !Path::new(SYSTEMD).exists() {
        skip("systemd", "there is no systemd");
        return false;
    }
    if run(Command::new("id").arg("-u")).stdout.trim() != "0" {
        skip("root", "namespaces for systemd are made by root");
        return false;
    }
    if let Some(why) = why_no_mounts() {
        skip("systemd", &format!("it cannot be started in namespaces: {why}"));
        return false;
    }
    true
}

/// The root.
#[derive(Debug)]
pub(super) struct Host {
    folder: tempfile::TempDir,
    busybox: PathBuf,
}

impl Host {
    /// A root in which `/busybox` is the only program beside those of the machine's `/usr`.
    pub(super) fn new(busybox: PathBuf) -> Host {
        let host = Host { folder: tempfile::tempdir().expect("a temporary folder"), busybox };
        fs::create_dir_all(host.units()).expect("the folder is ours");
        fs::create_dir_all(host.path("left")).expect("the folder is ours");
        for (name, text) in [
            ("etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"),
            ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
            ("etc/machine-id", ""),
        ] {
            fs::write(host.path(name), text).expect("the folder is ours");
        }
        symlink("/proc/self/mounts", host.path("etc/mtab")).expect("the folder is ours");
        host
    }

    /// A file of the root.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of units.
    pub(super) fn units(&self) -> PathBuf {
        self.path("etc/systemd/system")
    }

    /// Writes a unit.
    pub(super) fn unit(&self, name: &str, text: &str) {
        fs::write(self.units().join(name), text).expect("the folder is ours");
    }

    /// What a unit wrote to `/left`.
    pub(super) fn left(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path("left").join(name)).ok()
    }

    /// The command that boots systemd there; it ends when that powers off.
    pub(super) fn boot(&self) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/boot-systemd");
        let mut command = Command::new(script);
        command.arg("/usr").arg(self.folder.path()).arg(&self.busybox);
        command
    }
}
