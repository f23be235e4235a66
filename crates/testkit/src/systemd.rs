//! A systemd of a test's own, as PID 1 of new namespaces: its root, its units, and the folder where they leave what came
//! of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::expect::skip;
use crate::gcc;
use crate::mounts::why_no_mounts;
use crate::shell::{Ended, is_root, run, static_busybox};

/// The manager, where distributions put it.
const SYSTEMD: &str = "/usr/lib/systemd/systemd";

/// What boots it.
const BOOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../lab/boot-systemd");

/// How every unit begins: nothing of what distributions boot is there.
const ALONE: &str = "[Unit]\nDefaultDependencies=no\n";

/// The root of one.
#[derive(Debug)]
pub struct Host {
    folder: tempfile::TempDir,
    busybox: PathBuf,
}

impl Host {
    /// A root in which `/busybox` is the only program beside those of the machine's `/usr`; `None` where it could not be
    /// booted, which was then said.
    pub fn new() -> Option<Host> {
        let host = Host { folder: tempfile::tempdir().expect("a temporary folder"), busybox: busybox()? };
        for folder in ["etc/systemd/system", "left"] {
            fs::create_dir_all(host.path(folder)).expect("the folder is ours");
        }
        for (name, text) in [
            ("etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"),
            ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
            ("etc/machine-id", ""),
        ] {
            host.write(name, text);
        }
        symlink("/proc/self/mounts", host.path("etc/mtab")).expect("the folder is ours");
        Some(host)
    }

    /// A busybox that needs no loader.
    pub fn busybox(&self) -> &Path {
        &self.busybox
    }

    /// A file of the root.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the root, whose folder is there.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("the folder is ours");
    }

    /// Copies a program into the root.
    pub fn install(&self, program: impl AsRef<Path>, name: &str) {
        fs::copy(program, self.path(name)).expect("it can be copied");
    }

    /// Compiles a program into the root; says that the test is skipped where there is no compiler.
    pub fn can_build(&self, source: &Path, name: &str, options: &[&str]) -> bool {
        gcc::can_build(source, &self.path(name), options)
    }

    /// A file in the folder of units.
    pub fn in_units(&self, name: &str) -> PathBuf {
        self.path("etc/systemd/system").join(name)
    }

    /// Writes a unit: its sections, after further lines of `[Unit]`.
    pub fn unit(&self, name: &str, text: &str) {
        fs::write(self.in_units(name), [ALONE, text].concat()).expect("the folder is ours");
    }

    /// Writes the drop-in of a unit.
    pub fn drop_in(&self, unit: &str, text: &str) {
        let folder = self.in_units(&format!("{unit}.d"));
        fs::create_dir_all(&folder).expect("the folder is ours");
        fs::write(folder.join("50-sandprint.conf"), text).expect("the folder is ours");
    }

    /// What a unit wrote to a file in `/left`.
    pub fn left(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path("left").join(name)).ok()
    }

    /// Starts these units with the system. When `last` ends, or fails, so does it all: that is a `[Service]`, after
    /// further lines of `[Unit]`.
    pub fn start(&self, units: &[String], last: &str) {
        self.unit("default.target", &format!("Wants={} last.service\n", units.join(" ")));
        self.unit(
            "last.service",
            &format!("SuccessAction=poweroff-force\nFailureAction=poweroff-force\n{last}"),
        );
    }

    /// Boots it with these units, until all of them have run.
    pub fn run(&self, units: &[String]) -> Ended {
        let after = units.join(" ");
        self.start(units, &format!("After={after}\n[Service]\nType=oneshot\nExecStart=/busybox true\n"));
        run(&mut self.boot())
    }

    /// Boots it with a script as its only service, which ends with the script, or after so many seconds. What that says is
    /// left in the file `log`.
    pub fn run_script(&self, script: &str, seconds: u32) -> Ended {
        self.write("script", script);
        self.start(
            &[],
            &format!(
                "[Service]\nType=oneshot\nTimeoutStartSec={seconds}\nExecStart=/bin/sh /script\n\
                 StandardOutput=file:/left/log\nStandardError=file:/left/log\n"
            ),
        );
        run(&mut self.boot())
    }

    /// The command that boots it, and ends when it powers off.
    pub fn boot(&self) -> Command {
        let mut command = Command::new(BOOT);
        command.arg("/usr").arg(self.folder.path()).arg(&self.busybox);
        command
    }
}

/// Whether one can be booted here; says that a test is skipped where not.
pub fn can_boot() -> bool {
    busybox().is_some()
}

/// The busybox for one; `None` where it could not be booted, which was then said.
fn busybox() -> Option<PathBuf> {
    if !Path::new(SYSTEMD).exists() {
        skip("systemd", "there is no systemd");
    } else if !is_root() {
        skip("root", "namespaces for systemd are made by root");
    } else if let Some(why) = why_no_mounts() {
        skip("systemd", &format!("it cannot be started in namespaces: {why}"));
    } else if let Some(busybox) = static_busybox() {
        return Some(busybox);
    } else {
        skip("busybox", "there is no static busybox in PATH");
    }
    None
}
