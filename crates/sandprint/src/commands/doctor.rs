//! `doctor`: what this host can record, what is missing, and the command that would grant it.

use std::io::ErrorKind;
use std::path::Path;

use sandprint_record::ebpf::{LoadError, Options, PerfError, Recorder, RecorderError, Tasks};
use sandprint_record::host::HostFacts;
use sandprint_record::target::{Entry, Target};
use sandprint_sandbox::confine::feature::Feature;
use sandprint_sandbox::confine::landlock::{self, LandlockError};
use sandprint_sandbox::launch::Launch;
use sandprint_sandbox::notify::Reported;
use sandprint_sandbox::probe;

use crate::exit::{self, ExitStatus};
use crate::target::Host;
use crate::usage::long_help;
use crate::{hint, output};

/// Say what this machine can record, and what is missing
///
/// Also says which command grants it. Tries everything: loads and attaches the recorder's programs for a moment, traces a process that executes nothing,
/// and installs a seccomp filter in another. Ends with 0 if `profile run` can record in some way, and with 1 if it
/// cannot.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct DoctorArgs {}

const EXAMPLES: &str = "
  sandprint doctor
  sudo sandprint doctor";

/// One line of the report.
struct Check {
    state: State,
    what: String,
    /// What to do about it; only where something is missing.
    fix: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Recording works, less well or less completely.
    Limited,
    Missing,
}

impl Check {
    fn good(what: impl Into<String>) -> Check {
        Check { state: State::Good, what: what.into(), fix: None }
    }

    fn limited(what: impl Into<String>, fix: impl Into<String>) -> Check {
        Check { state: State::Limited, what: what.into(), fix: Some(fix.into()) }
    }

    fn missing(what: impl Into<String>, fix: impl Into<String>) -> Check {
        Check { state: State::Missing, what: what.into(), fix: Some(fix.into()) }
    }
}

/// Probes the host and prints what it finds.
pub(crate) fn run(_args: &DoctorArgs) -> anyhow::Result<ExitStatus> {
    let facts = HostFacts::probe();
    let mut checks = check(&facts);
    let others = [try_tracing(&facts), try_notification(&facts)];
    let [traces, notifies] = others.each_ref().map(|check| check.state == State::Good);
    checks.extend(others);
    let mut text = String::new();
    for check in &checks {
        let mark = match check.state {
            State::Good => "ok      ",
            State::Limited => "limited ",
            State::Missing => "missing ",
        };
        text.push_str(mark);
        text.push_str(&check.what);
        text.push('\n');
        if let Some(fix) = &check.fix {
            text.push_str("        ");
            text.push_str(fix);
            text.push('\n');
        }
    }
    let complete = checks.iter().all(|check| check.state != State::Missing);
    text.push_str(match (complete, traces, notifies) {
        (true, ..) => "\nThis host can record.\n",
        (false, true, _) => {
            "\nThis host records commands by tracing them. What is missing is for eBPF, which is faster and can attach.\n"
        }
        (false, false, true) => {
            "\nThis host records commands by seccomp notifications. What is missing is for eBPF, which is faster and \
             can attach.\n"
        }
        (false, false, false) => {
            "\nThis host cannot record as it is. Everything else (show, generate, merge, diff, ...) works.\n"
        }
    });
    output::data(text.as_bytes())?;
    Ok(if complete || traces || notifies { ExitStatus::Success } else { ExitStatus::Failure })
}

fn check(facts: &HostFacts) -> Vec<Check> {
    let mut checks = vec![match (facts.arch(), facts.kernel()) {
        (Some(arch), Some(kernel)) if kernel >= OLDEST => {
            Check::good(format!("Linux {} on {arch}", facts.release))
        }
        (Some(arch), _) => Check::missing(
            format!("Linux {} on {arch}", facts.release),
            format!("recording needs Linux {OLDEST} or newer"),
        ),
        (None, _) => Check::missing(
            format!("Linux {} on {}", facts.release, facts.machine),
            "recording works on x86_64 and aarch64",
        ),
    }];
    checks.push(if facts.btf {
        Check::good("the kernel describes its types (BTF)")
    } else {
        Check::missing(
            "the kernel's description of its types: there is no /sys/kernel/btf/vmlinux",
            "it must be built with CONFIG_DEBUG_INFO_BTF=y, and /sys must be mounted",
        )
    });
    let missing = facts.capabilities.missing();
    let capable = missing.is_empty() && !facts.user_namespace;
    checks.push(if capable {
        Check::good("capabilities CAP_BPF and CAP_PERFMON")
    } else if facts.user_namespace {
        Check::missing(
            "CAP_BPF and CAP_PERFMON outside of this user namespace: the kernel lets no root of one load BPF programs",
            "run it outside of that namespace; a rootless container has one",
        )
    } else {
        Check::missing(missing.join(" and "), hint::grant(&missing))
    });
    if capable && facts.btf {
        checks.push(try_recording(facts));
    }
    checks.push(if Path::new("/proc/self/status").exists() {
        Check::good("/proc, where tasks and their programs are looked up")
    } else {
        Check::missing("/proc is not mounted, and every recorder needs it", "mount -t proc proc /proc")
    });
    checks.push(if Host::here().has_cgroup2() {
        Check::good("cgroup2, for `attach --cgroup`, `--unit` and `--container`")
    } else {
        Check::limited(
            "no cgroup2 is mounted: `attach` takes processes only",
            "mount -t cgroup2 none /sys/fs/cgroup/unified",
        )
    });
    checks.extend(confinement());
    checks
}

/// What `run` finds here. It decides nothing about recording, so nothing of it is missing for that.
fn confinement() -> [Check; 2] {
    let lacking = [Feature::Seccomp, Feature::Filter].into_iter().find(|feature| !feature.works());
    let seccomp = match lacking {
        None => Check::good("seccomp filters, for `run`"),
        Some(feature) => Check::limited(
            format!("no seccomp filters, so no `run`: this kernel does not offer {feature}"),
            "it must be built with CONFIG_SECCOMP_FILTER=y; a container may forbid it, too",
        ),
    };
    let deadly = |calls| probe::survive(calls).err();
    let seccomp = match deadly(probe::FILTERS) {
        None => seccomp,
        Some(deadly) => Check::limited(format!("no seccomp filters, so no `run`: {deadly}"), hint::OUTSIDE),
    };
    if let Some(deadly) = deadly(probe::LANDLOCK) {
        return [
            seccomp,
            Check::limited(format!("no Landlock for `run --landlock`: {deadly}"), hint::OUTSIDE),
        ];
    }
    let landlock = match landlock::abi() {
        Ok(abi) => Check::good(format!("Landlock (ABI {abi}), for `run --landlock`")),
        Err(LandlockError::Disabled) => Check::limited(
            "Landlock is not enabled: `run` works, and `run --landlock` does not",
            "boot with `landlock` in lsm=",
        ),
        Err(_) => Check::limited(
            "no Landlock: `run` works, and `run --landlock` does not",
            "it is there since Linux 5.13, with CONFIG_SECURITY_LANDLOCK=y",
        ),
    };
    [seccomp, landlock]
}

/// The oldest kernel that the recorder is made for.
const OLDEST: sandprint_model::KernelVersion = sandprint_model::KernelVersion::new(5, 10);

/// Traces a process that never executes anything.
fn try_tracing(facts: &HostFacts) -> Check {
    const WHAT: &str = "tracing (ptrace), for `profile run` without privileges";
    let tried = std::env::current_exe().map_err(|error| error.to_string()).and_then(|program| {
        let mut suspended = Launch::new(program, [""; 0])
            .suspend()
            .map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
        // Dropped, it is gone.
        let tried = sandprint_record::tracer::Recorder::start(&mut suspended, true, facts);
        tried.map(drop).map_err(|error| format!("failed to {}", chain(&error)))
    });
    match tried {
        Ok(()) => Check::good(WHAT),
        Err(error) => Check::limited(
            format!("no {WHAT}: {error}"),
            "a process has one tracer; yama (kernel.yama.ptrace_scope), a container or a filter may forbid it",
        ),
    }
}

/// Has a process that never executes anything put on the filter of the recorder by notification.
fn try_notification(facts: &HostFacts) -> Check {
    const WHAT: &str = "seccomp notifications, for `profile run` without privileges";
    let failed = |error: String| {
        let fix = "Linux 5.10 has them; a container's own filter may refuse them, and a supervisor may have the only \
                   listener";
        Check::limited(format!("no {WHAT}: {error}"), fix)
    };
    if facts.arch().is_none() {
        return failed("not on this machine".to_owned());
    }
    let tried = std::env::current_exe().map(|program| {
        let launch = Launch { notified: Some(Reported::Every), ..Launch::new(program, [""; 0]) };
        launch.suspend()
    });
    match tried {
        // Dropped, it is gone.
        Ok(Ok(_suspended)) => Check::good(WHAT),
        Ok(Err(error)) => failed(format!("{:#}", anyhow::Error::new(error))),
        Err(error) => failed(error.to_string()),
    }
}

/// Loads and attaches the recorder for a moment.
fn try_recording(facts: &HostFacts) -> Check {
    let options = Options::of(vec![Target::Command], Entry::Call);
    let tried = Recorder::load(&options, facts).and_then(|mut recorder| {
        recorder.attach()?;
        // What is loaded only when a recording ends before its workload does.
        recorder.processes()?;
        let refused = recorder.refused().map(|error| (needs_for_perf(error), chain(error)));
        Ok::<_, RecorderError>((recorder.tasks(), recorder.hides_uring(), refused))
    });
    let tried = match tried {
        Ok((_, _, Some((fix, error)))) => {
            return Check::limited(
                format!(
                    "the recorder loads and attaches, but under load Linux {} may skip its programs, which a gap then says: failed to {error}",
                    facts.release
                ),
                fix,
            );
        }
        Ok((tasks, hides_uring, None)) => Ok((tasks, hides_uring)),
        Err(error) => Err(error),
    };
    match tried {
        Ok((Tasks::Storage, false)) => {
            Check::good("the recorder loads and attaches; each task has its own counters")
        }
        Ok((Tasks::ByTid, false)) => Check::limited(
            "the recorder loads and attaches; tasks count in a shared map, which is as exact and slower",
            "kernels from 6.2 have task storage that can be relied on",
        ),
        Ok((_, true)) => Check::limited(
            "the recorder loads and attaches; operations of io_uring are not shown by this kernel",
            "a workload that uses io_uring gets a gap",
        ),
        Err(error) => {
            let error = anyhow::Error::new(error);
            let fix = if facts.needs_memlock() {
                "kernels before 5.11 count maps against RLIMIT_MEMLOCK: `ulimit -l unlimited`, or CAP_SYS_RESOURCE"
                    .to_owned()
            } else {
                "a security module, lockdown or a container may forbid it; try outside, as root".to_owned()
            };
            Check::missing(format!("the recorder cannot be loaded: {error:#}"), fix)
        }
    }
}

/// What would let the recorder attach to perf events, which no kernel skips.
fn needs_for_perf(refused: &LoadError) -> &'static str {
    match refused {
        LoadError::Perf(PerfError::Number { source, .. }) if source.kind() == ErrorKind::NotFound => {
            "recordings would be exact with tracefs: mount -t tracefs tracefs /sys/kernel/tracing"
        }
        LoadError::Perf(PerfError::Number { .. }) => {
            "recordings would be exact as root, or with CAP_DAC_READ_SEARCH too: /sys/kernel/tracing may not be read"
        }
        LoadError::Perf(_) => {
            "recordings would be exact with perf events: a container's seccomp filter, a security module or lockdown may forbid them; try outside"
        }
        _ => "recordings would be exact if this kernel took these programs; please report what it says",
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perf_event_that_is_refused_has_its_remedy() {
        let number = |kind: ErrorKind| {
            LoadError::Perf(PerfError::Number {
                event: "sched/sched_process_exit".to_owned(),
                source: kind.into(),
            })
        };
        let opened = LoadError::Perf(PerfError::Open {
            event: "sched/sched_process_exit".to_owned(),
            source: ErrorKind::PermissionDenied.into(),
        });
        assert!(needs_for_perf(&number(ErrorKind::NotFound)).contains("mount -t tracefs"));
        assert!(needs_for_perf(&number(ErrorKind::PermissionDenied)).contains("as root"));
        assert!(needs_for_perf(&opened).contains("perf events"));
        assert_eq!(
            chain(&opened),
            "open a perf event for the tracepoint sched/sched_process_exit: permission denied"
        );
    }
}
