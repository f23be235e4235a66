//! The workload: `ls` of a static busybox, recorded once in each test process, and its profiles.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use testkit::bpf;
use testkit::expect::skip;
use testkit::shell::{find, run, static_busybox};

/// The program under test.
pub(crate) const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

/// The busybox applets that the tests call.
const APPLETS: &[&str] = &["ls", "mkdir", "sleep"];

/// The inits that containers may start under the filter, where this machine has them.
pub(crate) const INITS: &[&str] = &["tini-static", "catatonit"];

/// What `ls` shows in the folder that is listed: enough to see that it did its work.
pub(crate) const LISTED: &str = "first\nsecond\n";

/// The recording of the workload, beside its root.
const TRACE: &str = "trace.json";

/// A file tree with the workload in it, and the recording of it.
#[derive(Debug)]
pub(crate) struct Workload {
    folder: TempDir,
}

/// The recorded workload; `None` where this machine cannot record it, which the test has then said.
pub(crate) fn recorded() -> Option<&'static Workload> {
    static RECORDED: OnceLock<Option<Workload>> = OnceLock::new();
    RECORDED.get_or_init(record).as_ref()
}

fn record() -> Option<Workload> {
    if !bpf::can_load() {
        return None;
    }
    let Some(busybox) = static_busybox() else {
        skip("busybox", "there is no static busybox in PATH");
        return None;
    };
    let workload = Workload { folder: tempfile::tempdir().expect("a temporary folder") };
    let root = workload.root();
    for folder in ["bin", "dev", "etc", "list", "proc", "sys", "tmp"] {
        fs::create_dir_all(root.join(folder)).expect("the folder is ours");
    }
    fs::copy(busybox, root.join("bin/busybox")).expect("busybox can be copied");
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).expect("the folder is ours");
    }
    for init in INITS {
        if let Some(program) = find(init) {
            fs::copy(program, root.join("bin").join(init)).expect("the init can be copied");
        }
    }
    for name in LISTED.lines() {
        fs::write(root.join("list").join(name), "").expect("the folder is ours");
    }
    let list = root.join("list");
    assert_eq!(workload.record(TRACE, &["ls", list.to_str().expect("it has a plain name")]), LISTED);
    Some(workload)
}

impl Workload {
    /// A root file system: `/bin` with the applets, and `/list`, which `ls` is to list.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The file of that name beside the root.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// sandprint, called beside the root.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(SANDPRINT);
        command.current_dir(self.folder.path()).args(words);
        command
    }

    /// Records what busybox does with these words to a file of that name beside the root; gives what it printed.
    pub(crate) fn record(&self, name: &str, words: &[&str]) -> String {
        let mut command = Command::new(SANDPRINT);
        command.args(["profile", "run", "-o"]).arg(self.beside(name)).arg("--");
        let ended = run(command.arg(self.root().join("bin/busybox")).args(words));
        assert!(ended.status.success(), "recording: {ended}");
        ended.stdout
    }

    /// The profile in that format.
    pub(crate) fn profile(&self, format: &str, options: &[&str]) -> String {
        let mut command = Command::new(SANDPRINT);
        command
            .args(["profile", "generate", "--format", format, "--input"])
            .arg(self.beside(TRACE))
            .args(options);
        let ended = run(&mut command);
        assert!(ended.status.success(), "{command:?}: {ended}");
        ended.stdout
    }
}
