//! `watch`: say which calls filters refuse, as it happens, whoever installed these.

mod attribution;
mod json;
mod logged;
mod page;
mod stamp;
mod suggest;
mod text;

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{ValueEnum, ValueHint};
use rustix::fs::FileType;
use sandprint_record::audit::{LogReader, Unseen};
use sandprint_record::ebpf::{Missed, RecorderError, Watcher};
use sandprint_record::host::HostFacts;
use sandprint_record::target::Target;
use sandprint_sandbox::foreground::Foreground;
use sandprint_sandbox::poll;
use sandprint_trial::watch::{Totals, Watch};

use crate::exit::{self, Deciding, ExitStatus};
use crate::hint;
use crate::output::{self, OutputError};
use crate::policy_source::PolicySource;
use crate::target::Host;
use crate::usage::{long_help, parse_duration};
use attribution::Attribution;
use logged::Logged;
use page::Page;

/// Report system calls that filters refuse, as it happens
///
/// Watches processes that anyone has confined: a container runtime, systemd, a browser, `sandprint run`. For each
/// refused call it reports the arguments, the process and its ancestors, the container and the unit, the code that
/// made the call, what the filter did, and the smallest rule that would allow it. Repetitions are counted. Calls that
/// a supervisor or tracer answered are told apart. What may have been missed is reported.
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

/// How often counts are looked at again: repetitions wake nobody.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long the audit log must have been silent at the end.
const STRAGGLERS: Duration = Duration::from_millis(50);

/// Watches until it is told to end, or what it watches has ended.
pub(crate) fn run(args: &WatchArgs) -> anyhow::Result<ExitStatus> {
    let policy = args.suggest.as_deref().map(PolicySource::read_sound).transpose()?;
    let target = args.target.find(&Host::here())?;
    let mut foreground = Foreground::install_alone().context("failed to take signals")?;
    let mut session = Session::begin(&target, Page::new(args.format, policy))?;
    match session.watch(&mut foreground, args.duration) {
        // Who read what was told has gone: that is an end like any other.
        Err(error) if is_reader_gone(&error) => {}
        other => other?,
    }
    Ok(if session.watch.totals().denied > 0 { ExitStatus::Different } else { ExitStatus::Success })
}

fn is_reader_gone(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<OutputError>(), Some(OutputError::ReaderGone))
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

/// One watch, from its start to its end.
struct Session {
    watcher: Watcher,
    wakes: OwnedFd,
    log: Option<LogReader>,
    watch: Watch,
    logged: Logged,
    attribution: Attribution,
    page: Page,
    missed: Vec<Missed>,
}

impl Session {
    fn begin(target: &Target, mut page: Page) -> anyhow::Result<Session> {
        let attribution = Attribution::new(target);
        let watcher = Watcher::start(target, &HostFacts::probe()).map_err(|error| failure(&error))?;
        let wakes = watcher.fd().map_err(|error| failure(&error))?;
        let log = match LogReader::open() {
            Ok(log) => Some(log),
            Err(Unseen { why, hint }) => {
                output::note(&format!("calls that run and are logged will not be seen: {why}"));
                output::talk(&format!("hint: {hint}"));
                page.unseen("calls that run and are logged are not seen", &why)?;
                None
            }
        };
        let below = if matches!(target, Target::Processes(_)) { " and its descendants" } else { "" };
        output::talk(&format!("watching {}{below}", target.describe()));
        let (watch, logged, missed) = (Watch::default(), Logged::default(), Vec::new());
        Ok(Session { watcher, wakes, log, watch, logged, attribution, page, missed })
    }

    fn watch(&mut self, foreground: &mut Foreground, duration: Option<Duration>) -> anyhow::Result<()> {
        let end = duration.map(|duration| Instant::now() + duration);
        let stdout = io::stdout();
        let reader = pipe(stdout.as_fd());
        loop {
            let is_told_to_end =
                foreground.attend(None, |_| false).context("failed to take signals")?.is_some();
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            // Before the last look, so that what the processes did until then is seen.
            let is_over = is_told_to_end
                || left.is_some_and(|left| left.is_zero())
                || self.watcher.is_over().map_err(|error| failure(&error))?;
            self.look()?;
            if is_over {
                return self.finish();
            }
            let timeout = left.map_or(LOOK_AGAIN, |left| left.min(LOOK_AGAIN));
            // A descriptor that there is none of is stood for by the one of our signals.
            let signals = foreground.as_fd();
            let log = self.log.as_ref().map_or(signals, |log| log.as_fd());
            let descriptors = [signals, self.wakes.as_fd(), log, reader.unwrap_or(signals)];
            let [_, _, _, ready] = poll::readable(descriptors, Some(timeout)).context("failed to wait")?;
            if reader.is_some() && ready {
                return Err(OutputError::ReaderGone.into());
            }
        }
    }

    /// Tells what is new.
    fn look(&mut self) -> anyhow::Result<()> {
        self.attribution.look();
        for refused in self.watcher.news().map_err(|error| failure(&error))? {
            self.attribution.shows(refused.host_tgid);
            for news in self.watch.take(refused, |id| self.watcher.filter(id)) {
                self.page.news(&news)?;
            }
        }
        self.read_log()?;
        self.tell_missed()
    }

    fn read_log(&mut self) -> anyhow::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        for record in log.records().context("failed to read audit records")? {
            let in_tree = |tgid| self.watcher.holds(tgid);
            if self.attribution.holds(record.pid, in_tree).map_err(|error| failure(&error))? {
                self.logged.add(record);
            }
        }
        for item in self.logged.news() {
            self.page.logged(&item)?;
        }
        Ok(())
    }

    /// Tells what was missed since it was last told.
    fn tell_missed(&mut self) -> anyhow::Result<()> {
        let mut missed = self.watcher.missed().map_err(|error| failure(&error))?;
        missed.extend(self.attribution.missed());
        let not_refused = self.watch.totals().not_refused;
        if not_refused > 0 {
            missed.push(Missed {
                what: "calls that seemed not to run, though no filter refuses them: they are not told"
                    .to_owned(),
                count: not_refused,
            });
        }
        for item in &missed {
            if !self.missed.contains(item) {
                self.page.missed(item)?;
            }
        }
        self.missed = missed;
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        // The kernel hands records on a little later than the calls are made.
        while let Some(log) = &self.log
            && let [true] = poll::readable([log.as_fd()], Some(STRAGGLERS)).context("failed to wait")?
        {
            self.read_log()?;
        }
        let of_log = self.log.as_ref().map(LogReader::missed).unwrap_or_default();
        for item in &of_log {
            self.page.missed(item)?;
        }
        self.missed.extend(of_log);
        let totals: Totals = self.watch.totals();
        self.page.end(totals, self.logged.count(), &self.missed)
    }
}

/// Standard output, where it is a pipe: its other end may be closed while there is nothing to write.
fn pipe(stdout: BorrowedFd<'_>) -> Option<BorrowedFd<'_>> {
    let stat = rustix::fs::fstat(stdout).ok()?;
    (FileType::from_raw_mode(stat.st_mode) == FileType::Fifo).then_some(stdout)
}

/// Why there is no watch.
fn failure(error: &RecorderError) -> anyhow::Error {
    let hint = match error {
        RecorderError::NoCapability(missing) => hint::grant(missing),
        other => hint::of_recorder(other),
    };
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let message = causes.fold(format!("failed to {error}"), |text, cause| format!("{text}: {cause}"));
    Deciding { status: ExitStatus::Failure, message, hint }.into()
}

#[cfg(test)]
mod tests;
