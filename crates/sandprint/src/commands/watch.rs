//! `watch`: say which calls filters refuse, as it happens, whoever installed these.

mod json;
mod stamp;
mod suggest;
mod teller;
mod text;
mod told;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ValueEnum, ValueHint};
use sandprint_record::ebpf::RecorderError;
use sandprint_record::target::Target;
use sandprint_sandbox::foreground::Foreground;
use sandprint_trial::watch::session::{Plan, Session, WatchError};

use crate::exit::{self, Deciding, ExitStatus};
use crate::hint;
use crate::output::{self, OutputError};
use crate::policy_source::PolicySource;
use crate::target::Host;
use crate::usage::{Until, long_help, parse_duration};
use teller::Teller;

/// Report system calls that filters refuse, as it happens
///
/// Watches processes that anyone has confined: a container runtime, systemd, a browser, `sandprint run`. For each
/// refused call it reports the arguments, the process and its ancestors, the container and the unit, the code that
/// made the call, what the filter did, and the smallest rule that would allow it. Repetitions are counted. Calls that
/// a supervisor or tracer answered are told apart. What may have been missed is reported.
///
/// A cgroup, a unit or a container is watched from one run to the next, until Ctrl-C, `--duration` or `--until empty`.
///
/// While nothing is refused, the processes feel two tracepoints and nothing else. Needs `CAP_BPF` and `CAP_PERFMON`,
/// or root. Calls that a filter allows and logs appear only in the kernel's audit records, without arguments; they
/// need `CAP_AUDIT_READ` too.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "sandprint watch [OPTIONS] <--pid|--cgroup|--unit|--container|--system>",
    after_long_help = long_help(EXAMPLES, exit::HELP_WATCH),
)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    target: TargetArgs,

    /// For each refused call, say what this policy says of it, and which lines would allow it
    ///
    /// A policy file, or its JSON form. It is read once, and never written.
    #[arg(long, value_name = "POLICY", value_hint = ValueHint::FilePath)]
    suggest: Option<PathBuf>,

    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Stop after this time: 500ms, 30s, 5m, 1h; a plain number counts seconds
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,

    /// End also when nothing runs in the cgroup, unit or container any more
    #[arg(long, value_name = "WHEN", conflicts_with_all = ["pid", "system"])]
    until: Option<Until>,
}

/// What to watch: one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct TargetArgs {
    /// This process and all its descendants, until they have ended
    #[arg(short, long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,

    /// Every process in this cgroup and below it
    ///
    /// A directory below the cgroup2 mount, or a path as in `/proc/PID/cgroup` after `0::`.
    #[arg(long, value_name = "PATH")]
    cgroup: Option<PathBuf>,

    /// This systemd unit, of the system or a user; `.service` may be omitted
    ///
    /// If a unit of the system does not run, the watch waits for its start.
    #[arg(long, value_name = "NAME")]
    unit: Option<String>,

    /// This container of Docker, Podman, containerd (also under Kubernetes), CRI-O or nerdctl
    ///
    /// At least the first 4 digits of its id; or its name, if the engine's state files can be read.
    #[arg(long, value_name = "ID")]
    container: Option<String>,

    /// Every process of the machine
    #[arg(long)]
    system: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For a log pipeline: a JSON object per line
    Json,
}

const EXAMPLES: &str = "
  sudo sandprint watch --system
  sudo sandprint watch --unit nginx --duration 1h
  sudo sandprint watch --container web
  sudo sandprint watch --pid $(pgrep -o nginx) --suggest nginx.policy.toml
  sudo sandprint watch --system -f json | jq 'select(.event == \"denial\")'";

/// Watches until it is told to end, or what it watches has ended.
pub(crate) fn run(args: &WatchArgs) -> anyhow::Result<ExitStatus> {
    let policy = args.suggest.as_deref().map(PolicySource::read_sound).transpose()?;
    let target = args.target.find(&Host::here())?;
    let mut foreground = Foreground::install_alone().context("failed to take signals")?;
    let mut session = Session::begin(&target, Teller::new(args.format, policy)).map_err(failure)?;
    let below = if matches!(target, Target::Processes(_)) { " and its descendants" } else { "" };
    output::talk(&format!("watching {}{below}", target.describe()));
    let plan = Plan { duration: args.duration, until_empty: args.until == Some(Until::Empty) };
    match session.watch(&mut foreground, &plan) {
        // Who read what was told has gone: that is an end like any other.
        Err(WatchError::Unread | WatchError::Observer(OutputError::ReaderGone)) => {}
        other => other.map_err(failure)?,
    }
    Ok(if session.totals().denied > 0 { ExitStatus::Different } else { ExitStatus::Success })
}

impl TargetArgs {
    /// Finds what is meant.
    fn find(&self, host: &Host) -> anyhow::Result<Target> {
        Ok(match (&self.cgroup, &self.unit, &self.container, self.pid) {
            (Some(path), ..) => host.cgroup(path)?,
            (_, Some(name), ..) => host.unit(name)?,
            (_, _, Some(id), _) => host.container(id)?,
            (.., Some(pid)) => host.processes(&[pid])?,
            (None, None, None, None) => Target::System,
        })
    }
}

/// Why there is no watch, or none any more.
fn failure(error: WatchError<OutputError>) -> anyhow::Error {
    let error = match error {
        WatchError::Watcher(error) => error,
        WatchError::Observer(error) => return error.into(),
        WatchError::Foreground(error) => return anyhow::Error::new(error).context("failed to take signals"),
        WatchError::Log(error) => return anyhow::Error::new(error).context("failed to read audit records"),
        WatchError::Wait(error) => return anyhow::Error::new(error).context("failed to wait"),
        WatchError::Unread => return OutputError::ReaderGone.into(),
    };
    let hint = match &error {
        RecorderError::NoCapability(missing) => hint::grant(missing),
        other => hint::of_recorder(other),
    };
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    let message = causes.fold(format!("failed to {error}"), |text, cause| format!("{text}: {cause}"));
    Deciding { status: ExitStatus::Failure, message, hint }.into()
}

#[cfg(test)]
mod tests;
