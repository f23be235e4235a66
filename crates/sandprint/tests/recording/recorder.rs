//! Runs a command under `sandprint profile run`, and reads what was recorded.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use crate::calls::Row;
use testkit::bpf;
use testkit::expect::skip;

use crate::run;

/// The program under test.
pub(crate) const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

/// Whether this machine lets us record by eBPF. Where it does not, the test has been skipped.
pub(crate) fn can_record() -> bool {
    if !bpf::can_load() {
        return false;
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        skip("ebpf", "this kernel has no /sys/kernel/btf/vmlinux");
        return false;
    }
    true
}

/// Whether this machine lets us trace. Where it does not, the test has been skipped.
fn can_trace() -> bool {
    let doctor = Command::new(SANDPRINT).arg("doctor").output().expect("sandprint starts");
    let said = String::from_utf8_lossy(&doctor.stdout);
    let can = said.contains("ok      tracing (ptrace)");
    if !can {
        skip("ptrace", &said);
    }
    can
}

/// How `sandprint` is told to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct How {
    /// Options of `profile run`.
    options: &'static [&'static str],
    /// Variables. The workload inherits them.
    variables: &'static [(&'static str, &'static str)],
}

/// In the kernel, as it chooses on this one.
pub(crate) const CHOSEN: How = How { options: EBPF, variables: &[] };
/// Tasks told apart as on older kernels.
pub(crate) const BY_TID: How = How { options: EBPF, variables: &[("SANDPRINT_TASKS", "tid")] };
/// In the kernel, with all that it can tell of a call.
pub(crate) const FULL: How = How { options: IN_FULL, variables: &[] };
/// The same with tasks told apart as on older kernels.
pub(crate) const FULL_BY_TID: How = How { options: IN_FULL, variables: &[("SANDPRINT_TASKS", "tid")] };
/// What is known so far is put into safety every five milliseconds.
pub(crate) const WITH_CHECKPOINTS: How =
    How { options: EBPF, variables: &[("SANDPRINT_CHECKPOINT_MS", "5")] };
/// The same with all that it can tell of a call.
pub(crate) const FULL_WITH_CHECKPOINTS: How =
    How { options: IN_FULL, variables: &[("SANDPRINT_CHECKPOINT_MS", "5")] };
/// However it can.
pub(crate) const AUTO: How = How { options: &[], variables: &[] };
/// By seccomp notification.
pub(crate) const NOTIFIED: How =
    How { options: &["--recorder", "notify", "--detail", "calls"], variables: &[] };

/// By tracing.
pub(crate) const TRACED: How =
    How { options: &["--recorder", "ptrace", "--detail", "calls"], variables: &[] };

/// By seccomp notification, with all that it can tell of a call.
pub(crate) const FULL_NOTIFIED: How =
    How { options: &["--recorder", "notify", "--detail", "full"], variables: &[] };
/// The same without what is private.
pub(crate) const REDACTED: How =
    How { options: &["--recorder", "notify", "--detail", "full", "--redact"], variables: &[] };
/// In the kernel, with all that it can tell of a call, without what is private.
pub(crate) const FULL_REDACTED: How =
    How { options: &["--recorder", "ebpf", "--detail", "full", "--redact"], variables: &[] };
/// By tracing, with all that it can tell of a call.
pub(crate) const FULL_TRACED: How =
    How { options: &["--recorder", "ptrace", "--detail", "full"], variables: &[] };

const EBPF: &[&str] = &["--recorder", "ebpf", "--detail", "calls"];
const IN_FULL: &[&str] = &["--recorder", "ebpf", "--detail", "full"];

impl How {
    /// Whether this machine lets us record so. Where it does not, the test has been skipped.
    pub(crate) fn can_record(self) -> bool {
        if self.options.contains(&"ptrace") {
            return can_trace();
        }
        if !self.options.contains(&"notify") {
            return can_record();
        }
        let available = sandprint_sandbox::notify::is_available();
        if !available {
            skip("notify", "this kernel has no seccomp user notification");
        }
        available
    }
}

/// What one recorded run left.
#[derive(Debug)]
pub(crate) struct Recording {
    /// `sandprint`'s exit status, which is the workload's own where it ended by itself.
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) trace: TraceFile,
    _folder: TempDir,
}

/// A trace that was written.
#[derive(Debug)]
pub(crate) struct TraceFile(pub(crate) PathBuf);

/// Records a command. `around` goes before `sandprint`.
pub(crate) fn record(around: &[&str], how: How, words: &[String], folder: &Path) -> Recording {
    let own = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(own.path(), fs::Permissions::from_mode(0o777)).expect("the folder is ours");
    let trace = own.path().join("trace.json");
    let mut line: Vec<&str> = around.to_vec();
    line.extend([SANDPRINT, "profile", "run"]);
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).args(how.options).arg("-o").arg(&trace).arg("--").args(words);
    run::prepare(&mut command, folder);
    command.envs(how.variables.iter().copied());
    // Who runs the tests may choose what to attach to.
    if let Some(hooks) = std::env::var_os("SANDPRINT_HOOKS") {
        command.env("SANDPRINT_HOOKS", hooks);
    }
    let run::Ended { status, stdout, stderr } = run::to_the_end(&mut command);
    assert!(trace.exists(), "{command:?} wrote no trace, {status}\n{stderr}");
    Recording { status, stdout, stderr, trace: TraceFile(trace), _folder: own }
}

impl TraceFile {
    /// Every call, by program.
    pub(crate) fn by_image(&self) -> Vec<Row> {
        self.table(true)
    }

    /// Every call, whoever made it.
    pub(crate) fn totals(&self) -> Vec<Row> {
        self.table(false)
    }

    /// The kinds of the gaps, by name.
    pub(crate) fn gaps(&self) -> BTreeSet<String> {
        let trace = self.decoded();
        trace.gaps.keys().map(|gap| gap.kind.name().to_owned()).collect()
    }

    /// The trace as a library reads it.
    pub(crate) fn decoded(&self) -> sandprint_model::Trace {
        let bytes = fs::read(&self.0).expect("the trace was written");
        sandprint_model::wire::decode_trace(&bytes).expect("the trace can be read back")
    }

    fn table(&self, by_image: bool) -> Vec<Row> {
        let mut command = Command::new(SANDPRINT);
        command.args(["profile", "show"]).arg(&self.0).args(["--format", "tsv"]);
        command.args(by_image.then_some(["--by", "image"]).into_iter().flatten());
        let output = command.output().expect("sandprint starts");
        let text = String::from_utf8(output.stdout).expect("a table is text");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        let mut lines = text.lines();
        let header = if by_image { "image\tabi\tnr\tname\tcount" } else { "abi\tnr\tname\tcount" };
        assert_eq!(lines.next(), Some(header), "{command:?}");
        lines.map(|line| row(line, by_image)).collect()
    }
}

/// One line of the table: `[image] abi nr name count`, with tabs between.
fn row(line: &str, by_image: bool) -> Row {
    let (image, rest) = if by_image { line.split_once('\t').expect("an image") } else { ("", line) };
    let fields: Vec<&str> = rest.split('\t').collect();
    let [abi, nr, name, count] = fields[..] else { panic!("not a line of the table: {line:?}") };
    Row {
        image: image.to_owned(),
        abi: abi.to_owned(),
        nr: nr.parse().expect("a number"),
        name: (name != "-").then(|| name.to_owned()),
        count: count.parse().expect("a count"),
    }
}
