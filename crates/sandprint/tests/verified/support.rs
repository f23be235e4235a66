//! A directory in which the binary runs, policies, and the program that makes refused calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sandprint_model::wire::{self, PolicyFile};
use sandprint_model::{Abi, Action, Arch, CallRules, Policy, Rule, Syscall};

use testkit::expect::skip;

pub(crate) const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

/// The ABI of this machine's programs.
pub(crate) fn native() -> Abi {
    Arch::from_name(std::env::consts::ARCH).unwrap().native_abi()
}

/// Whether this kernel has notifications; says that a test is skipped where it has not.
pub(crate) fn can_notify() -> bool {
    let available = sandprint_sandbox::notify::is_available();
    if !available {
        skip("notify", "this kernel has no seccomp user notification");
    }
    available
}

/// By what refused calls can be seen here; says that tests are skipped for what cannot be had.
pub(crate) fn observers() -> Vec<&'static str> {
    let facts = sandprint_record::host::HostFacts::probe();
    let can_watch = facts.capabilities.can_trace() && facts.btf;
    if !can_watch {
        skip("ebpf", "BPF programs cannot be loaded here");
    }
    can_notify().then_some("notify").into_iter().chain(can_watch.then_some("ebpf")).collect()
}

/// A policy under which everything runs, but for these calls.
pub(crate) fn all_but(refused: &[(&str, Action)]) -> Policy {
    let rule = |action| vec![Rule { conditions: Vec::new(), action, reasons: BTreeSet::new() }];
    let call = |name| Syscall::from_name(native(), name).unwrap_or_else(|| panic!("no call {name}"));
    let mut rules: BTreeMap<_, _> =
        refused.iter().map(|(name, action)| (call(name), rule(*action))).collect();
    rules.insert(call("execve"), rule(Action::Allow));
    Policy {
        kernel: None,
        calls: CallRules { default_action: Action::Allow, foreign_action: Action::KillProcess, rules },
        notes: BTreeSet::new(),
    }
}

/// A scratch directory, in which commands run.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        testkit::signals::have_default_actions();
        Scratch(tempfile::tempdir().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes a policy to the file `policy`.
    pub(crate) fn policy(&self, policy: &Policy) {
        self.write("policy", wire::encode_policy(policy));
    }

    /// What a policy file says.
    pub(crate) fn policy_file(&self, name: &str) -> Policy {
        PolicyFile::read(&self.read(name)).unwrap().policy
    }

    /// A program in this directory, without a terminal.
    pub(crate) fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.0.path()).stdin(Stdio::null());
        for variable in ["COLUMNS", "NO_COLOR", "SUDO_USER", "TERM"] {
            command.env_remove(variable);
        }
        command
    }

    /// `sandprint profile`, and what came of it.
    pub(crate) fn profile(&self, words: &[&str]) -> Ended {
        Ended::of(&self.command(SANDPRINT, &[&["profile"], words].concat()).output().unwrap())
    }

    /// `profile verify` under a policy, with its report as JSON.
    pub(crate) fn verify(&self, policy: &Policy, observer: &str, words: &[&str]) -> (i32, serde_json::Value) {
        self.policy(policy);
        let options = ["verify", "-p", "policy", "--observer", observer, "-f", "json", "-o", "report"];
        let ended = self.profile(&[&options, words].concat());
        assert_eq!(ended.stderr, "");
        (ended.status, serde_json::from_str(&self.read("report")).unwrap())
    }

    /// The program of this test, built as `caller`; says that a test is skipped where there is no compiler.
    pub(crate) fn build_caller(&self) -> bool {
        self.build("caller")
    }

    /// The same of another program.
    pub(crate) fn build(&self, name: &str) -> bool {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verified/programs");
        let source = folder.join(format!("{name}.c"));
        let arguments = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", name];
        match self.command("gcc", &arguments).arg(source).output() {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                true
            }
            Err(error) => {
                skip("gcc", &error.to_string());
                false
            }
        }
    }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    testkit::wait::until(what, || is_so().then_some(()));
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// As a shell has it: 128+N for signal N.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ended {
            status: output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}
