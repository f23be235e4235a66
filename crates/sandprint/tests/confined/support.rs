//! Policies, witnesses and a directory in which the binary runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output, Stdio};

use sandprint_model::{Abi, Action, Arch, CallRules, Condition, Policy, Rule, Syscall, wire};

use testkit::expect::skip;

/// The binary under test.
pub(crate) const SANDPRINT: &str = env!("CARGO_BIN_EXE_sandprint");

/// The ABI of this machine's programs.
pub(crate) fn native() -> Abi {
    Arch::from_name(std::env::consts::ARCH).unwrap().native_abi()
}

/// A native call.
pub(crate) fn call(name: &str) -> Syscall {
    Syscall::from_name(native(), name).unwrap_or_else(|| panic!("no call {name}"))
}

pub(crate) fn rule(action: Action, conditions: Vec<Condition>) -> Rule {
    Rule { conditions, action, reasons: BTreeSet::new() }
}

/// A policy that decides these calls so, and all other native ones by the default.
pub(crate) fn policy(default_action: Action, rules: &[(&str, Action)]) -> Policy {
    let rules: BTreeMap<_, _> =
        rules.iter().map(|(name, action)| (call(name), vec![rule(*action, Vec::new())])).collect();
    Policy {
        kernel: None,
        calls: CallRules { default_action, foreign_action: Action::KillProcess, rules },
        notes: BTreeSet::new(),
    }
}

/// A policy that allows these native calls and answers all others with this.
pub(crate) fn allowing(names: &[&str], default_action: Action) -> Policy {
    let rules: Vec<_> = names.iter().map(|name| (*name, Action::Allow)).collect();
    policy(default_action, &rules)
}

/// A policy under which everything runs, but for these calls.
pub(crate) fn all_but(rules: &[(&str, Action)]) -> Policy {
    let mut policy = policy(Action::Allow, rules);
    policy.calls.rules.insert(call("execve"), vec![rule(Action::Allow, Vec::new())]);
    policy
}

/// A policy under which everything runs, but for those of these calls that this machine has: they fail with EPERM.
pub(crate) fn refusing(names: &[&'static str]) -> Policy {
    let has = |name: &&&str| Syscall::from_name(native(), name).is_some();
    let rules: Vec<_> = names.iter().filter(has).map(|name| (*name, Action::Errno(1))).collect();
    all_but(&rules)
}

/// Whether this kernel has Landlock; says that a test, or a part of one, is skipped where it has not.
pub(crate) fn has_landlock() -> bool {
    let there = sandprint_sandbox::confine::landlock::abi();
    if let Err(error) = &there {
        skip("landlock", &error.to_string());
    }
    there.is_ok()
}

/// A scratch directory, in which commands run.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        Scratch(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Writes a policy to the file `policy`.
    pub(crate) fn policy(&self, policy: &Policy) {
        self.write("policy", wire::encode_policy(policy));
    }

    /// A program in this directory, without a terminal.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        for variable in ["COLUMNS", "NO_COLOR", "TERM"] {
            command.env_remove(variable);
        }
        command
    }

    /// `sandprint run` with these words after `-p policy`.
    pub(crate) fn run_command(&self, words: &[&str]) -> Command {
        self.command(SANDPRINT, &[&["run", "-p", "policy"], words].concat())
    }

    /// What came of it.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        Ended::of(&self.run_command(words).output().unwrap())
    }

    /// The same, with options before `--` and the command behind it.
    pub(crate) fn run_under(&self, policy: &Policy, options: &[&str], command: &[&str]) -> Ended {
        self.policy(policy);
        self.run(&[options, &["--"], command].concat())
    }
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) how: How,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Status(i32),
    Signal(i32),
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Ended {
        use std::os::unix::process::ExitStatusExt as _;
        let how = match (output.status.code(), output.status.signal()) {
            (Some(code), _) => How::Status(code),
            (None, signal) => How::Signal(signal.unwrap()),
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ended { how, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Nothing but this status.
    pub(crate) fn status(status: i32) -> Ended {
        Ended { how: How::Status(status), stdout: String::new(), stderr: String::new() }
    }

    /// Nothing but an error and its hint, each on one line.
    pub(crate) fn failed(status: i32, error: &str, hint: &str) -> Ended {
        let stderr = format!("error: {error}\nhint: {hint}\n");
        Ended { how: How::Status(status), stdout: String::new(), stderr }
    }
}

/// The witness of that name, built; says that a test is skipped where there is no compiler.
pub(crate) fn witness(name: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("confined");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join(format!("{name}.{}.{:?}", process::id(), std::thread::current().id()));
    let mut gcc = Command::new("gcc");
    gcc.args([
        "-std=gnu11",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fno-stack-protector",
        "-fno-pie",
        "-no-pie",
    ]);
    gcc.args(["-fno-asynchronous-unwind-tables", "-ffreestanding", "-nostdlib", "-static"]);
    // Without a C library there is nobody to choose between kinds of atomic instructions at run time.
    gcc.args((std::env::consts::ARCH == "aarch64").then_some("-mno-outline-atomics"));
    gcc.arg("-I").arg(here.join("../../corpus/programs")).arg("-o").arg(&program);
    match gcc.arg(here.join("tests/confined/programs").join(format!("{name}.c"))).output() {
        Ok(output) => {
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            Some(program)
        }
        Err(error) => {
            skip("gcc", &error.to_string());
            None
        }
    }
}
