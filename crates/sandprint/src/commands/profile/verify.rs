//! `profile verify`: run a command under its policy, and say what was refused.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ValueEnum, ValueHint};
use sandprint_model::{Arch, Exit, Expected};
use sandprint_policy::enforce;
use sandprint_record::tracer::Shield;
use sandprint_sandbox::foreground::Foreground;
use sandprint_sandbox::input::{Input, Unrepeatable};
use sandprint_sandbox::launch::Launch;
use sandprint_trial::Trial;
use sandprint_trial::error::TrialError;
use sandprint_trial::verify::{self, Observer, VerifyOptions};
use sandprint_view::Report as _;
use sandprint_view::verdict::sarif;

use crate::commands::{not_started, run as confining};
use crate::exit::{self, Deciding, ExitStatus};
use crate::policy_source::PolicySource;
use crate::trace_file::{Destination, Privacy};
use crate::usage::{long_help, parse_duration};
use crate::{hint, output};

/// Run a command under a policy and explain every refused call
///
/// The command runs under the very filter that `profile generate -f bpf` writes, and BPF sees what that filter
/// refuses. Without the privilege for BPF it runs twice: first with refused calls reported to sandprint, which finds
/// out who made them and answers as the policy says; then under the filter itself. Both runs read the same standard
/// input: a file is rewound, and up to 64 MiB of a pipe are kept. After Ctrl-C there is no second run.
///
/// The report goes to stderr. For each refused call it has the arguments, the program and its ancestors, the function
/// and library, what the program did next, and the smallest rule that would allow the call.
///
/// If the policy's default is to log, what runs only because of it is reported too. What a rule allows and logs is in
/// the policy, and not reported.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "sandprint profile verify [OPTIONS] --policy <POLICY> [--] <CMD>...",
    after_long_help = long_help(EXAMPLES, exit::HELP_VERIFY),
)]
pub(crate) struct VerifyArgs {
    /// The policy file, or its JSON form
    #[arg(short, long, value_name = "POLICY", value_hint = ValueHint::FilePath)]
    policy: PathBuf,

    /// Let refused calls run, so that one run finds all of them
    ///
    /// There is no second run then. The command is not confined: do not use this on what you do not trust.
    #[arg(long)]
    all: bool,

    /// The exit status that the command must end with, or `any`
    ///
    /// With another status the command was not tested, and `verify` ends with 3. N is 128+S if signal S ends it.
    #[arg(long, value_name = "N", default_value = "0", value_parser = expected)]
    expect_status: Expected,

    /// How to see refused calls
    #[arg(long, value_enum, default_value_t = ObserverArg::Auto)]
    observer: ObserverArg,

    /// How to write the report
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Write the report to this file instead of stderr
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// End the command and all its descendants after this time, in each run: SIGTERM, then SIGKILL 5 seconds later
    ///
    /// 500ms, 30s, 5m, 1h; a plain number counts seconds. Use it for servers.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

fn expected(text: &str) -> Result<Expected, &'static str> {
    match text {
        "any" => Ok(Expected::Any),
        _ => text.parse().map(Expected::Status).map_err(|_no_status| "expected 0 to 255, or any"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ObserverArg {
    /// ebpf if possible, and if BPF sees all that counts; else notify
    Auto,
    /// BPF: one run, under the filter itself; not if the policy's default is to log
    Ebpf,
    /// Seccomp notifications: two runs. Needs no privilege
    Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For a pull request
    Markdown,
    /// For code-scanning pages (SARIF 2.1.0)
    Sarif,
}

const EXAMPLES: &str = "
  sandprint profile generate -i app.trace.json -f toml -o app.policy.toml
  sandprint profile verify -p app.policy.toml -- ./app --check
  sandprint profile verify -p app.policy.toml --all -- ./app --check
  sandprint profile verify -p app.policy.toml -f sarif -o out.sarif -- ./app";

/// Makes the trial and writes its report.
pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<ExitStatus> {
    let destination = args.output.as_deref().map(Destination::resolve).transpose()?;
    let arch =
        Arch::from_name(std::env::consts::ARCH).context("this machine is neither x86_64 nor aarch64")?;
    let source = PolicySource::read(&args.policy)?;
    enforce::check(source.policy(), arch.native_abi())
        .map_err(|unfit| confining::not_enforced(&args.policy, &unfit))?;
    let source = source.usable()?;
    let (program, arguments) = args.command.split_first().context("there is no command")?;
    let mut trial = trial(program, arguments, args.timeout, arch)?;
    let observer = match args.observer {
        ObserverArg::Auto => Observer::Auto,
        ObserverArg::Ebpf if args.all => {
            return Err(Deciding::usage(
                "failed to let refused calls go on: BPF sees them and cannot",
                "leave out --observer ebpf, or --all",
            )
            .into());
        }
        ObserverArg::Ebpf => Observer::Ebpf,
        ObserverArg::Notify => Observer::Notify,
    };
    let options = VerifyOptions { all: args.all, observer, expected: args.expect_status };
    let verdict =
        verify::verify(&mut trial, source.policy(), options).map_err(|error| failure(error, program))?;
    let text = match args.format {
        Format::Text => verdict.text(),
        Format::Json => verdict.json(),
        Format::Markdown => verdict.markdown(),
        Format::Sarif => sarif(&verdict, &source.name, env!("CARGO_PKG_VERSION")),
    };
    match destination {
        Some(destination) => destination.write(text.as_bytes(), Privacy::Shared)?,
        None => output::talk(&text),
    }
    if let Some(signal) = verdict.interrupted {
        // As a shell sees it end without us: its loop ends too.
        return Ok(ExitStatus::Workload(Exit::Signal(signal)));
    }
    Ok(if verdict.is_clean() { ExitStatus::Success } else { ExitStatus::Different })
}

/// What is tried.
pub(super) fn trial(
    program: &OsStr,
    arguments: &[OsString],
    timeout: Option<Duration>,
    arch: Arch,
) -> anyhow::Result<Trial> {
    Ok(Trial {
        // Before any thread, and before signals are taken.
        shield: Shield::start(arch),
        launch: Launch::new(program, arguments),
        // Before any thread: signals are taken from here on.
        foreground: Foreground::install().context("failed to take signals")?,
        input: Input::of_this_process().context("failed to look at standard input")?,
        timeout,
        tell: output::note,
    })
}

/// Why there was no trial.
pub(super) fn failure(error: TrialError, command: &OsStr) -> anyhow::Error {
    if let TrialError::Launch(launch) = &error
        && let Some(deciding) = not_started::why(launch, command)
    {
        return deciding.into();
    }
    let by_kind = match &error {
        TrialError::Compile(_) => "a policy with fewer conditions on arguments makes a shorter filter",
        TrialError::Observe(_) => {
            "leave out --observer ebpf: without privilege two passes show the same; `sandprint doctor` says what is missing"
        }
        TrialError::LoggedUnseen => {
            "leave out --observer ebpf: the policy's default is to log, and notification lists what ran outside of it"
        }
        TrialError::Survivors(_) => "it was left as it is, and SIGKILL ends it as soon as it can",
        TrialError::Unrepeatable(Unrepeatable::InUse) => {
            "let the command end what it starts, or give it a file as input"
        }
        TrialError::Unrepeatable(_) => "give it a file as standard input: `< FILE`",
        TrialError::UnknownArch => "sandprint works on x86_64 and aarch64",
        _ => "`sandprint doctor` says what this host offers; run it again",
    };
    let hint = hint::of_limit(&error).unwrap_or(by_kind);
    let error = anyhow::Error::new(error);
    Deciding {
        status: ExitStatus::RecorderFailed,
        message: format!("failed to {error:#}"),
        hint: hint.to_owned(),
    }
    .into()
}
