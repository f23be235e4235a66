//! `profile attach`: record what runs already.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use sandprint_model::Trace;
use sandprint_record::ebpf::Options;
use sandprint_record::session::{self, Plan, Recorded};
use sandprint_record::target::{Entry, Target};
use sandprint_sandbox::foreground::Foreground;

use super::observer::{self, Screen};
use super::recording::{self, DetailArgs, OutputArgs};
use crate::exit::{self, Deciding, ExitStatus};
use crate::output;
use crate::systemd;
use crate::target::Host;
use crate::usage::{Until, long_help, parse_duration};

/// Record running processes, a cgroup, a systemd unit or a container
///
/// Records all threads and descendants, those that exist and those to come. The recording ends with the last of the
/// processes (`--pid`), with `--duration`, or with Ctrl-C; what was recorded runs on.
///
/// A cgroup, a unit or a container is followed from one run to the next: when it ends or is restarted, the recording
/// goes on with the first call of the next run, until Ctrl-C, `--duration` or `--until empty` ends it.
///
/// Calls from before the recording are missing, so the trace has a gap, which `profile generate` accepts only with
/// `--allow-incomplete`. `profile run` has no such gap, nor has a cgroup in which nothing ran yet.
///
/// Needs `CAP_BPF` and `CAP_PERFMON`, or root: only eBPF can record what runs already.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "sandprint profile attach [OPTIONS] <--pid|--cgroup|--unit|--container>",
    after_long_help = long_help(EXAMPLES, exit::HELP),
)]
pub(crate) struct AttachArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,

    /// Stop after this time: 500ms, 30s, 5m, 1h; a plain number counts seconds
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,

    /// End also when nothing runs in the cgroup, unit or container any more
    #[arg(long, value_name = "WHEN", conflicts_with = "pid")]
    pub(crate) until: Option<Until>,

    #[command(flatten)]
    pub(crate) detail: DetailArgs,

    #[command(flatten)]
    pub(crate) quiet: output::QuietArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,

    /// Name the run, for `coverage` and `show`
    #[arg(long, value_name = "RUN")]
    pub(crate) name: Option<String>,
}

/// What to record: one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct TargetArgs {
    /// These processes, with all their descendants
    #[arg(short, long, value_name = "PID", num_args = 1.., value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: Vec<u32>,

    /// Every process in this cgroup and below it
    ///
    /// A directory below the cgroup2 mount, or a path as in `/proc/PID/cgroup` after `0::`. A task that was once in it
    /// stays in the recording. Cgroups of version 1 cannot be recorded.
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup: Option<PathBuf>,

    /// This systemd unit, of the system or a user; `.service` may be omitted
    ///
    /// If a unit of the system does not run, the recording waits for its start. What systemd calls before it executes
    /// the unit's programs is left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) unit: Option<String>,

    /// This container of Docker, Podman, containerd (also under Kubernetes), CRI-O or nerdctl
    ///
    /// At least the first 4 digits of its id; or its name, if the engine's state files can be read: /var/lib/docker,
    /// /var/lib/containers/storage, /var/lib/nerdctl, /run/containerd.
    #[arg(long, value_name = "ID")]
    pub(crate) container: Option<String>,
}

const EXAMPLES: &str = "
  sudo sandprint profile attach --pid 1234 --duration 10s -o service.trace.json
  sudo sandprint profile attach --pid $(pgrep -d, nginx) -o nginx.trace.json
  sudo sandprint profile attach --unit nginx -o nginx.trace.json
  sudo sandprint profile attach --container web --duration 5m -o web.trace.json
  sudo sandprint profile attach --cgroup /system.slice/nginx.service -o t.json";

/// Records until it ends, says what was seen, and writes the trace.
pub(crate) fn run(args: &AttachArgs) -> anyhow::Result<ExitStatus> {
    args.quiet.apply();
    let target = args.target.find(&Host::here())?;
    let output = args.output.prepare(true)?;
    let cleaned = |trace: Trace| {
        if args.target.unit.is_some() { systemd::without_executor(&trace) } else { trace }
    };
    let mut checkpoint = |trace: Trace| match &output {
        Some(output) => output.checkpoint(&cleaned(trace)),
        None => Ok(()),
    };
    let (recorded, foreground) = record(args, target, &mut checkpoint)?;
    recording::finish(&cleaned(recorded.trace), Some(recorded.why), output.as_ref(), foreground)?;
    Ok(ExitStatus::Success)
}

impl TargetArgs {
    /// Finds what is meant.
    fn find(&self, host: &Host) -> anyhow::Result<Target> {
        if let Some(path) = &self.cgroup {
            return Ok(host.cgroup(path)?);
        }
        if let Some(name) = &self.unit {
            return Ok(host.unit(name)?);
        }
        if let Some(id) = &self.container {
            return Ok(host.container(id)?);
        }
        if self.pid.contains(&std::process::id()) {
            return Err(Deciding::usage(
                format!("process {} is the recorder itself, which it does not record", std::process::id()),
                "give the process that is to be recorded; the recorder may be among its descendants",
            )
            .into());
        }
        Ok(host.processes(&self.pid)?)
    }
}

/// Records the target; `checkpoint` is called now and then with what is known so far.
fn record(
    args: &AttachArgs,
    target: Target,
    checkpoint: &mut dyn FnMut(Trace) -> anyhow::Result<()>,
) -> anyhow::Result<(Recorded, Foreground)> {
    let words = target.describe();
    let options = Options {
        targets: vec![target],
        // A service manager sets a unit up in its cgroup before it executes the unit's programs.
        entry: if args.target.unit.is_some() { Entry::Exec } else { Entry::Call },
        follow_children: true,
        detail: args.detail.detail(),
        tasks: recording::tasks()?,
        hooks: recording::hooks()?,
    };
    let plan = Plan {
        name: args.name.clone(),
        duration: args.duration,
        until_empty: args.until == Some(Until::Empty),
        checkpoint_every: Some(observer::checkpoint_every()?),
        progress_every: Screen::draw_every(),
        ..Plan::default()
    };
    let mut foreground = Foreground::install_alone().context("failed to take signals")?;
    let mut screen = Screen::new(false, checkpoint);
    let recorded = session::record_running(&options, &plan, &mut foreground, &mut screen, &mut ())
        .map_err(|error| recording::failure(error, words.as_ref()))?;
    drop(screen);
    Ok((recorded, foreground))
}
