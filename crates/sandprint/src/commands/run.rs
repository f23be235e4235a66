//! `run`: become a command that a policy confines.

mod landlock;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueHint;
use sandprint_model::{Abi, Action, Arch, Policy};
use sandprint_policy::cbpf;
use sandprint_policy::enforce::{self, Unfit};
use sandprint_sandbox::confine::{self, ConfineError, Confinement, Filter, Flags, Proof};
use sandprint_sandbox::launch::{LastWords, Launch, Replacement};

use super::not_started::{self, NO_INTERPRETER, NO_INTERPRETER_HINT, NOT_RUNNABLE_HINT};
use crate::exit::{self, Deciding, ExitStatus};
use crate::output;
use crate::policy_source::PolicySource;
use crate::usage::long_help;

/// Run a command under a policy
///
/// Needs no privilege. sandprint becomes the command: no other process stays, and input, output, terminal, signals and
/// exit status are the command's own. First it installs the policy as a seccomp filter, and makes a call that only
/// this filter answers; if the filter is not in force, nothing is run.
///
/// The policy holds from the command's execve on, for the command and everything it starts, and cannot be removed.
/// Programs gain no privileges under it (`no_new_privs`), so sudo does not work. A call that is not allowed fails or
/// ends the command, as the policy says.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "sandprint run [OPTIONS] --policy <POLICY> [--] <CMD>...",
    after_long_help = long_help(EXAMPLES, exit::HELP_CONFINED),
)]
pub(crate) struct RunArgs {
    /// The policy file, or its JSON form; `-` is standard input
    #[arg(short, long, value_name = "POLICY", value_hint = ValueHint::FilePath)]
    policy: PathBuf,

    /// Let Landlock also refuse what the policy refuses altogether
    ///
    /// Seccomp does not see operations of `io_uring`, nor side effects of a call. What the policy refuses with every
    /// call that could do it (making directories, removing files, binding or connecting TCP sockets, and so on), a
    /// Landlock domain then refuses in any other way too. It refuses nothing that the policy allows, and open files
    /// and sockets stay usable. But any such domain keeps the command from tracing processes outside, and from reading
    /// their environment, memory and open files in /proc.
    #[arg(long)]
    landlock: bool,

    /// Have the kernel log the calls that the policy refuses
    ///
    /// They appear in the kernel's log, or in the audit log if auditd runs. The kernel limits how many it logs.
    #[arg(long)]
    log_denials: bool,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "
  Record what a command needs, and let it do only that:
    sudo sandprint profile run -o ls.trace.json -- ls /tmp
    sandprint profile generate -i ls.trace.json -f toml -o ls.policy.toml
    sandprint run -p ls.policy.toml -- ls /tmp

  See in the kernel's log what a policy refuses:
    sandprint run -p ls.policy.toml --log-denials -- ls -l /tmp
    journalctl -k --grep type=1326

  Close the ways around the filter too:
    sandprint run -p app.policy.toml --landlock -- ./app";

/// Confines this process and executes the command; returns only when that failed.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitStatus> {
    let arch =
        Arch::from_name(std::env::consts::ARCH).context("this machine is neither x86_64 nor aarch64")?;
    let native = arch.native_abi();
    let source = PolicySource::read(&args.policy)?;
    enforce::check(source.policy(), native).map_err(|unfit| not_enforced(&args.policy, &unfit))?;
    let policy = source.usable()?.file.policy;
    let (program, arguments) = args.command.split_first().context("there is no command")?;
    let mut launch = Launch::new(program, arguments);
    launch.confinement = Some(confinement(&policy, native, args.log_denials)?);
    let replacement = launch.replace().map_err(|error| match not_started::why(&error, program) {
        Some(deciding) => anyhow::Error::new(deciding),
        None => {
            anyhow::Error::new(error).context(format!("failed to run {}", output::quote(Path::new(program))))
        }
    })?;
    check_execve(args, &policy, native, &replacement)?;
    if let Some(note) = unasked(&policy, native) {
        output::note(&note);
    }
    if args.log_denials {
        say_where_denials_are_logged(&policy);
    }
    if args.landlock {
        confine::no_new_privileges().map_err(|error| failed(&error))?;
        landlock::enter(&policy, arch, args.log_denials)?;
    }
    let last_words = last_words(program);
    match replacement.execute(&last_words) {
        Ok(never) => match never {},
        Err(error) => Err(failed(&error).into()),
    }
}

/// The policy as a filter that answers a probe of its own.
fn confinement(policy: &Policy, native: Abi, log: bool) -> anyhow::Result<Confinement> {
    let number = enforce::probe_number(policy, native);
    let errno = enforce::probe_answer(confine::answer(number).map_err(|error| failed(&error))?);
    let program =
        cbpf::compile(&enforce::with_probe(policy, native, number, errno)).map_err(|error| Deciding {
            status: ExitStatus::RecorderFailed,
            message: format!("failed to {error}"),
            hint: "a policy with fewer conditions on arguments makes a shorter filter".to_owned(),
        })?;
    let filter = Filter::new(&program.to_bytes()).context("failed to make a filter of the policy")?;
    let flags = if log { Flags::LOG } else { Flags::NONE };
    Ok(Confinement { filter, flags, proof: Some(Proof { number, errno }) })
}

/// Why a policy starts nothing here.
pub(crate) fn not_enforced(path: &Path, unfit: &Unfit) -> Deciding {
    let hint = match unfit {
        Unfit::Foreign { .. } => {
            "generate one from a recording that was made on this kind of machine; under this one not even the \
             command's first call would be decided by its rules"
        }
        Unfit::AllowsNothing => {
            "generate one from the recording of a run: `sandprint profile generate -f toml`"
        }
    };
    let message = format!("failed to run under {}: {unfit}", output::quote(path));
    Deciding { status: ExitStatus::RecorderFailed, message, hint: hint.to_owned() }
}

/// Makes sure that the policy lets the command start at all, which it must say of this very call.
fn check_execve(
    args: &RunArgs,
    policy: &Policy,
    native: Abi,
    replacement: &Replacement,
) -> anyhow::Result<()> {
    let execve =
        enforce::of_execve(policy, native, replacement.execve_registers()).context("there is no execve")?;
    if enforce::runs(execve.action) {
        if execve.by_arguments {
            output::note(
                "the policy decides execve by its arguments, which are addresses and other ones in the next run",
            );
        }
        return Ok(());
    }
    let under = output::quote(&args.policy);
    let (message, hint) = if execve.by_arguments {
        (
            format!("failed to run under {under}: the policy refuses this execve by its arguments"),
            "execve gets addresses, which differ from run to run: a rule for it must have no conditions",
        )
    } else if execve.execveat {
        (
            format!(
                "failed to run under {under}: the policy refuses execve, with which the command is started"
            ),
            "execveat is allowed, and is another call: add execve, or generate the policy with `--portable`",
        )
    } else {
        (
            format!(
                "failed to run under {under}: the policy refuses execve, with which the command is started"
            ),
            "generate it from a recording that `sandprint profile run` made: its first call is the execve",
        )
    };
    Err(Deciding { status: ExitStatus::RecorderFailed, message, hint: hint.to_owned() }.into())
}

/// What becomes of calls that the policy leaves to somebody who is not there (seccomp(2), `SECCOMP_RET_USER_NOTIF` and
/// `SECCOMP_RET_TRACE`).
fn unasked(policy: &Policy, native: Abi) -> Option<String> {
    let asks = |action: Action| matches!(action, Action::Notify | Action::Trace(_));
    let rules = policy.calls.rules.iter().filter(|(syscall, _)| syscall.abi == native);
    let mut names: Vec<_> = rules
        .filter(|(_, rules)| rules.iter().any(|rule| asks(rule.action)))
        .map(|(syscall, _)| syscall.to_string())
        .collect();
    if asks(policy.calls.default_action) {
        names.push("every call without a rule".to_owned());
    }
    let names = (!names.is_empty()).then(|| names.join(", "))?;
    Some(format!(
        "the policy has a supervisor or a tracer asked about {names}; where there is none, these fail with ENOSYS"
    ))
}

/// Where an administrator says which actions are logged at all (seccomp(2)).
const ACTIONS_LOGGED: &str = "/proc/sys/kernel/seccomp/actions_logged";

fn say_where_denials_are_logged(policy: &Policy) {
    output::note(
        "the kernel logs refused calls, only so many a second: `journalctl -k --grep type=1326` shows them, or \
         `ausearch -m SECCOMP` where auditd runs",
    );
    let Ok(logged) = std::fs::read_to_string(ACTIONS_LOGGED) else { return };
    let unlogged = unlogged(policy, &logged);
    if !unlogged.is_empty() {
        output::warn(&format!(
            "calls refused with {} are not logged on this machine: {ACTIONS_LOGGED} does not list it",
            unlogged.join(", ")
        ));
    }
}

/// The actions of the policy that the kernel was told not to log.
fn unlogged(policy: &Policy, logged: &str) -> Vec<&'static str> {
    let rules = policy.calls.rules.values().flatten().map(|rule| rule.action);
    let mut names: Vec<_> = rules
        .chain([policy.calls.default_action, policy.calls.foreign_action])
        .filter_map(kernel_name)
        .collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !logged.split_ascii_whitespace().any(|word| word == *name));
    names
}

/// What the kernel calls an action in that file; `None` for the one that is never logged.
fn kernel_name(action: Action) -> Option<&'static str> {
    Some(match action {
        Action::Allow => return None,
        Action::Log => "log",
        Action::Errno(_) => "errno",
        Action::Trace(_) => "trace",
        Action::Notify => "user_notif",
        Action::Trap => "trap",
        Action::KillThread => "kill_thread",
        Action::KillProcess => "kill_process",
    })
}

/// Why this process was not confined.
fn failed(error: &ConfineError) -> Deciding {
    let hint = match error {
        ConfineError::Missing { feature: confine::feature::Feature::LogFlag } => {
            "leave out --log-denials: the policy is enforced all the same"
        }
        ConfineError::Missing { .. } => {
            "the kernel must be built with CONFIG_SECCOMP_FILTER; recording, generating and comparing work without it"
        }
        ConfineError::NotInForce { .. } | ConfineError::OuterFilter { .. } => {
            "nothing was run: another filter, tracer or supervisor answers for the kernel here; run it outside of that"
        }
        ConfineError::TooMuch => "nothing was run: it is under too many filters already",
        _ => "nothing was run: another sandbox around this process may be in the way",
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Deciding {
        status: ExitStatus::RecorderFailed,
        message: format!("failed to {error}{cause}"),
        hint: hint.to_owned(),
    }
}

/// What is said where the execve itself fails, under the policy.
fn last_words(program: &OsStr) -> LastWords {
    let before = format!("error: failed to run {}: ", output::quote(Path::new(program)));
    LastWords { before: before.into_bytes(), words: words_of_errno }
}

/// Reason, hint and status for an errno of execve(2), as far as the file itself was found before.
fn words_of_errno(errno: i32) -> (&'static str, &'static str, u8) {
    let cannot = ExitStatus::CannotRun.code();
    match std::io::Error::from_raw_os_error(errno).kind() {
        std::io::ErrorKind::NotFound => (NO_INTERPRETER, NO_INTERPRETER_HINT, ExitStatus::NotFound.code()),
        std::io::ErrorKind::ArgumentListTooLong => {
            ("its arguments and environment are too long", "give it fewer arguments", cannot)
        }
        std::io::ErrorKind::ExecutableFileBusy => {
            ("the file is open for writing", "wait until it was written", cannot)
        }
        std::io::ErrorKind::PermissionDenied => ("permission denied", NOT_RUNNABLE_HINT, cannot),
        _ => ("the kernel does not execute it", NOT_RUNNABLE_HINT, cannot),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use sandprint_model::CallRules;

    use super::*;

    #[test]
    fn calls_that_nobody_decides_are_named() {
        use sandprint_model::{Rule, Syscall};
        let rule = |action| vec![Rule { conditions: Vec::new(), action, reasons: BTreeSet::new() }];
        let native = |nr| Syscall { abi: Abi::X86_64, nr };
        let mut policy = Policy {
            kernel: None,
            calls: CallRules {
                default_action: Action::Errno(1),
                foreign_action: Action::Notify,
                rules: BTreeMap::from([(native(0), rule(Action::Allow))]),
            },
            notes: BTreeSet::new(),
        };
        assert_eq!(unasked(&policy, Abi::X86_64), None);
        policy.calls.rules.insert(native(1), rule(Action::Notify));
        policy.calls.rules.insert(native(2), rule(Action::Trace(7)));
        policy.calls.default_action = Action::Notify;
        assert_eq!(
            unasked(&policy, Abi::X86_64).unwrap(),
            "the policy has a supervisor or a tracer asked about write, open, every call without a rule; where there is \
             none, these fail with ENOSYS"
        );
    }

    #[test]
    fn actions_that_the_kernel_was_told_not_to_log_are_named() {
        let policy = Policy {
            kernel: None,
            calls: CallRules {
                default_action: Action::Errno(1),
                foreign_action: Action::KillProcess,
                rules: BTreeMap::new(),
            },
            notes: BTreeSet::new(),
        };
        for (logged, expected) in [
            ("kill_process kill_thread trap errno user_notif trace log\n", &[][..]),
            ("kill_process kill_thread\n", &["errno"]),
            ("", &["errno", "kill_process"]),
        ] {
            assert_eq!(unlogged(&policy, logged), expected, "{logged:?}");
        }
    }
}
