//! `profile run --unit`: restart a unit of systemd, record it by its cgroup, and leave it as it was found.

mod settling;
mod steps;

use std::fs;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use sandprint_model::{GapKind, Trace};
use sandprint_record::cgroup::Mounts;
use sandprint_record::ebpf::Options;
use sandprint_record::session::{self, Plan, Recorded, Why};
use sandprint_record::target::{Entry, Target};
use sandprint_sandbox::foreground::Foreground;
use sandprint_sandbox::poll;

use super::RunArgs;
use crate::commands::profile::observer::{self, Screen};
use crate::commands::profile::recording;
use crate::exit::{Deciding, ExitStatus};
use crate::output;
use crate::systemd::{self, Call, Footing, SystemdError, Unit};
use crate::target::TargetError;
use crate::usage::parse_duration;
use steps::Steps;

/// Which unit, and what is done with it.
#[derive(Debug, clap::Args)]
pub(crate) struct UnitArgs {
    /// Restart this unit of systemd and record its programs, until Ctrl-C or `--duration`; `.service` may be omitted
    ///
    /// A socket stands for the service, or the services, that its connections start. The unit is left as it was found:
    /// one that did not run is stopped at the end. What ran before the restart is not recorded, but what it executes to
    /// stop is. Needs eBPF, and the right to restart the unit.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["command", "user", "recorder", "no_children", "until", "timeout", "redact"])]
    pub(crate) unit: Option<String>,

    /// End the recording of the unit after this time: 500ms, 30s, 5m, 1h; a plain number counts seconds
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "unit", conflicts_with = "command")]
    pub(crate) duration: Option<Duration>,

    /// Reload the unit before the end, and record that too, until its processes are idle
    #[arg(long, requires = "unit", conflicts_with = "command")]
    pub(crate) reload: bool,

    /// Stop the unit before the end, and record that too
    #[arg(long, requires = "unit", conflicts_with = "command")]
    pub(crate) stop: bool,
}

/// Records the unit, leaves it as it was found, says what was seen, and writes the trace.
pub(super) fn run(args: &RunArgs, name: &str) -> anyhow::Result<ExitStatus> {
    let output = args.output.prepare(true)?;
    let found = Found::look_up(name)?;
    let directory = found.directory()?;
    let words = format!("unit {}", found.programs_of().shown());
    let target = Target::Cgroup { directory: directory.clone(), words };
    let unit = &found.asked;
    if found.programs_of().has_filter() {
        output::warn(&format!(
            "{} has a SystemCallFilter= already: calls that it refuses are not recorded",
            found.programs_of().shown()
        ));
    }
    output::note(&format!(
        "{} is {}; its programs are recorded until Ctrl-C{}",
        unit.shown(),
        if matches!(unit.footing(), Footing::Running | Footing::Starting) { "restarted" } else { "started" },
        if args.unit.duration.is_some() { " or the end of the time" } else { "" }
    ));
    let own_filters = !found.programs_of().has_filter() && !is_confined_itself();
    let cleaned = |mut trace: Trace| {
        if own_filters {
            // Those of its sandbox, which are in force wherever the unit runs.
            trace.gaps.retain(|gap, _| gap.kind != GapKind::SeccompActive);
        }
        systemd::without_executor(&trace)
    };
    let mut checkpoint = |trace: Trace| match &output {
        Some(output) => output.checkpoint(&cleaned(trace)),
        None => Ok(()),
    };
    let mut foreground = Foreground::install_alone().context("failed to take signals")?;
    let mut steps = Steps::new(&found, &args.unit, directory);
    let recorded = record(args, target, &mut foreground, &mut checkpoint, &mut steps);
    let has_failed = steps.has_failed();
    drop(steps);
    found.restore(&mut foreground, has_failed.is_some());
    let Recorded { trace, why, failed, .. } = recorded?;
    let trace = cleaned(trace);
    // It is how such a recording ends.
    let why = Some(why).filter(|why| !matches!(why, Why::Interrupted(_)));
    recording::finish(&trace, why, output.as_ref(), foreground)?;
    recording::warn_of_clients(&trace, None);
    match failed.or(has_failed) {
        None => Ok(ExitStatus::Success),
        Some(message) => {
            let unit = found.programs_of().shown();
            Err(Deciding {
                status: ExitStatus::Failure,
                message,
                hint: format!("`systemctl status {unit}` and `journalctl -u {unit}` say why"),
            }
            .into())
        }
    }
}

fn record(
    args: &RunArgs,
    target: Target,
    foreground: &mut Foreground,
    checkpoint: &mut dyn FnMut(Trace) -> anyhow::Result<()>,
    steps: &mut Steps,
) -> anyhow::Result<Recorded> {
    let words = target.describe();
    let options = Options {
        targets: vec![target],
        entry: Entry::ExecAnew,
        follow_children: true,
        detail: args.detail.detail(),
        tasks: recording::tasks()?,
        hooks: recording::hooks()?,
    };
    let plan = Plan {
        name: args.name.clone(),
        duration: args.unit.duration,
        checkpoint_every: Some(observer::checkpoint_every()?),
        progress_every: Screen::draw_every(),
        ..Plan::default()
    };
    let mut screen = Screen::new(false, checkpoint);
    session::record_running(&options, &plan, foreground, &mut screen, steps)
        .map_err(|error| recording::failure(error, words.as_ref()))
}

/// Whether the first process has a filter, which then every unit has.
fn is_confined_itself() -> bool {
    fs::read_to_string("/proc/1/status")
        .is_ok_and(|status| status.lines().any(|line| line.starts_with("Seccomp:") && !line.ends_with('0')))
}

/// The units of a recording, as they were found.
#[derive(Debug)]
struct Found {
    /// The one that was asked for.
    asked: Unit,
    /// The service behind it, where that is a socket.
    service: Option<Unit>,
}

impl Found {
    fn look_up(name: &str) -> Result<Found, SystemdError> {
        let asked = Unit::look_up(name)?;
        let service = asked.triggers().map(Unit::look_up).transpose()?;
        Ok(Found { asked, service })
    }

    /// The unit whose programs are recorded.
    fn programs_of(&self) -> &Unit {
        self.service.as_ref().unwrap_or(&self.asked)
    }

    /// The cgroup of the unit whose programs are recorded.
    fn directory(&self) -> anyhow::Result<PathBuf> {
        let mounts = Mounts::here().ok_or(TargetError::NoCgroup2)?;
        if fs::read_to_string("/proc/1/cgroup").is_ok_and(|cgroups| systemd::is_in_v1(&cgroups)) {
            return Err(SystemdError::OnlyV1.into());
        }
        Ok(mounts.unified.join(self.programs_of().cgroup()?))
    }

    /// Both, in the order in which they are stopped: a socket starts its service again.
    fn units(&self) -> impl Iterator<Item = &Unit> {
        [Some(&self.asked), self.service.as_ref()].into_iter().flatten()
    }

    /// Starts what ran, and stops what did not. A second signal ends the waiting for it; the manager goes on.
    fn restore(&self, foreground: &mut Foreground, has_failed: bool) {
        for unit in self.units() {
            let Ok(now) = Unit::look_up(&unit.id) else { continue };
            let (verb, done) = match (unit.footing(), now.footing()) {
                (Footing::Running | Footing::Starting, Footing::Failed) if has_failed => {
                    output::warn(&format!("{} ran before, and does not run now", unit.shown()));
                    continue;
                }
                (Footing::Running | Footing::Starting, Footing::Stopped | Footing::Failed) => {
                    ("start", "started")
                }
                (Footing::Stopped | Footing::Failed, Footing::Running | Footing::Starting) => {
                    ("stop", "stopped")
                }
                _ => continue,
            };
            match wait_for(verb, unit, foreground) {
                Ok(()) => output::note(&format!("{} was {done} again, as it was found", unit.shown())),
                Err(error) => output::warn(&format!("failed to {verb} {} again: {error}", unit.shown())),
            }
        }
    }
}

/// Has the manager do something, and waits for it, or for a signal.
fn wait_for(verb: &str, unit: &Unit, foreground: &mut Foreground) -> Result<(), String> {
    let mut call = Call::begin(verb, &unit.id).map_err(|error| error.to_string())?;
    loop {
        let ready =
            poll::readable([call.fd(), foreground.as_fd()], None).map_err(|error| error.to_string())?;
        let [has_said, is_signalled] = ready;
        if has_said && let Some(end) = call.attend() {
            return end;
        }
        if is_signalled && foreground.attend(None, |_| false).map_err(|error| error.to_string())?.is_some() {
            return Err("a signal ended the waiting, and systemd goes on with it".to_owned());
        }
    }
}
