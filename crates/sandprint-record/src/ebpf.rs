//! The BPF driver: follows tasks in the kernel and reads what they called.
//!
//! The only part of sandprint that knows libbpf.

use sandprint_model::{Arch, KernelVersion};
use sandprint_sandbox::probe;

use crate::descriptors;
use crate::detail::Detail;
use crate::host::{self, HostFacts};
use crate::target::{Entry, Target};

mod btf;
mod cgroups;
mod decode;
mod details;
mod error;
mod every;
mod log;
mod lost;
mod maps;
mod operands;
mod perf;
mod program;
mod programs;
mod recorder;
mod rings;
mod selected;
mod sys;
mod uring;
mod uses;
mod watcher;

pub use decode::{Event, State};
pub use error::{LoadError, RecorderError};
pub use every::{Attempt, load_every_program};
pub(crate) use operands::telling_argument;
pub use perf::PerfError;
pub use program::{Hooks, Tasks};
pub use recorder::Recorder;
pub use watcher::{Missed, Watcher};

use decode::Config;

/// The number of a target among those of a recording, from 1 on: what its footprint is told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetId(u32);

impl TargetId {
    /// The first, which is a command where there is one (`SP_TARGET_COMMAND`).
    pub const FIRST: TargetId = TargetId(1);

    /// The targets of a recording, numbered.
    pub(crate) fn number(targets: &[Target]) -> impl Iterator<Item = (TargetId, &Target)> {
        (TargetId::FIRST.0..).map(TargetId).zip(targets)
    }
}

/// How to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What to follow, each with a footprint of its own, by its place ([`TargetId`]). A command can only be the first;
    /// see [`Recorder::expect_launch`].
    pub targets: Vec<Target>,
    /// From when on who comes into a cgroup is followed.
    pub entry: Entry,
    /// Whether children of followed processes are followed.
    pub follow_children: bool,
    /// How much of each call is recorded.
    pub detail: Detail,
    /// How to keep tasks; `None` chooses the best that this kernel has.
    pub tasks: Option<Tasks>,
    /// What to attach to; `None` chooses the way that is exact on this kernel, where that can be had.
    pub hooks: Option<Hooks>,
}

impl Options {
    /// To follow these with all their children, by the best ways that this kernel has, and record their calls.
    pub fn of(targets: Vec<Target>, entry: Entry) -> Options {
        Options { targets, entry, follow_children: true, detail: Detail::Calls, tasks: None, hooks: None }
    }
}

/// Whether task storage can be trusted on that kernel.
///
/// It exists in tracing programs since 5.12, but before 6.2 a lookup fails while the CPU's storage is
/// busy (e8b02296a6b8, 0593dd34e534), and a failed lookup looks like a task that is not followed.
/// Flushing needs `bpf_loop` (5.17).
pub fn choose_tasks(kernel: Option<KernelVersion>) -> Tasks {
    match kernel {
        Some(kernel) if kernel >= KernelVersion::new(6, 2) => Tasks::Storage,
        _ => Tasks::ByTid,
    }
}

/// What is exact on that kernel.
///
/// From 7.0 on programs on raw tracepoints can be preempted, and are then skipped for other tasks; before,
/// they were as exact as those of perf events, and faster.
pub fn choose_hooks(kernel: Option<KernelVersion>) -> Hooks {
    match kernel {
        Some(kernel) if kernel >= KernelVersion::new(7, 0) => Hooks::Tracepoints,
        _ => Hooks::RawTracepoints,
    }
}

/// The ways to load the recorder, best first. What was asked for is not replaced by something else. A kernel that
/// claims to be new enough for the best and still refuses gets the next.
fn ways(options: &Options, kernel: Option<KernelVersion>) -> Vec<(Hooks, Tasks)> {
    let hooks = match options.hooks {
        Some(hooks) => vec![hooks],
        None => match choose_hooks(kernel) {
            Hooks::Tracepoints => vec![Hooks::Tracepoints, Hooks::RawTracepoints],
            Hooks::RawTracepoints => vec![Hooks::RawTracepoints],
        },
    };
    let tasks = match options.tasks {
        Some(tasks) => vec![tasks],
        None => match choose_tasks(kernel) {
            Tasks::Storage => vec![Tasks::Storage, Tasks::ByTid],
            Tasks::ByTid => vec![Tasks::ByTid],
        },
    };
    hooks.iter().flat_map(|hooks| tasks.iter().map(|tasks| (*hooks, *tasks))).collect()
}

/// Makes sure that programs can be loaded here, and that asking for it does no harm; gives the machine's architecture.
fn ready(facts: &HostFacts) -> Result<Arch, RecorderError> {
    let arch = facts.arch().ok_or_else(|| RecorderError::UnknownArch(facts.machine.clone()))?;
    if !facts.capabilities.can_trace() {
        return Err(RecorderError::NoCapability(facts.capabilities.missing()));
    }
    if facts.user_namespace {
        return Err(RecorderError::UserNamespace);
    }
    if !facts.btf {
        return Err(RecorderError::NoBtf);
    }
    probe::survive(probe::BPF)?;
    descriptors::suffice_for_bpf().map_err(RecorderError::Host)?;
    Ok(arch)
}

/// What is the same for every recording and watch of this process. All that can be switched is off.
fn config(arch: Arch) -> Result<Config, RecorderError> {
    let (pid_ns_dev, pid_ns) = host::pid_namespace().map_err(RecorderError::Host)?;
    let mut seed = [0; 8];
    host::random(&mut seed).map_err(RecorderError::Host)?;
    Ok(Config {
        hash_seed: u64::from_ne_bytes(seed),
        pid_ns_dev,
        pid_ns,
        self_pid: std::process::id(),
        execve_nr: execve_nr(arch),
        page: page_size(),
        follow_children: false,
        x86: arch == Arch::X86_64,
        walks: false,
        cgroup: false,
        members: false,
        details: false,
    })
}

/// Bytes of a page.
fn page_size() -> u32 {
    u32::try_from(rustix::param::page_size()).unwrap_or_default()
}

fn execve_nr(arch: Arch) -> u32 {
    match arch {
        Arch::Aarch64 => 221,
        Arch::X86_64 => 59,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_storage_is_used_where_lookups_cannot_fail() {
        for (kernel, tasks) in [
            (Some(KernelVersion::new(5, 10)), Tasks::ByTid),
            (Some(KernelVersion::new(6, 1)), Tasks::ByTid),
            (Some(KernelVersion::new(6, 2)), Tasks::Storage),
            (None, Tasks::ByTid),
        ] {
            assert_eq!(choose_tasks(kernel), tasks);
        }
    }

    #[test]
    fn what_is_exact_is_tried_first_and_what_was_asked_for_stays() {
        use Hooks::{RawTracepoints, Tracepoints};
        let ways = |tasks, hooks, minor| {
            let options = Options { tasks, hooks, ..Options::of(vec![Target::Command], Entry::Call) };
            super::ways(&options, Some(minor))
        };
        let (old, new) = (KernelVersion::new(6, 18), KernelVersion::new(7, 0));
        let both = |hooks| [(hooks, Tasks::Storage), (hooks, Tasks::ByTid)];
        assert_eq!(ways(None, None, old), both(RawTracepoints));
        assert_eq!(ways(None, None, new), [both(Tracepoints), both(RawTracepoints)].concat());
        assert_eq!(ways(None, Some(Tracepoints), old), both(Tracepoints));
        assert_eq!(ways(Some(Tasks::ByTid), Some(RawTracepoints), new), [(RawTracepoints, Tasks::ByTid)]);
    }

    #[test]
    fn a_target_of_the_other_is_refused() {
        let facts = HostFacts::probe();
        let record = |targets: Vec<Target>| {
            let options = Options::of(targets, Entry::Call);
            Recorder::load(&options, &facts).unwrap_err().to_string()
        };
        assert_eq!(record(vec![Target::System]), "record every process: that is no target for it");
        let two_commands = record(vec![Target::Command, Target::Command]);
        assert_eq!(two_commands, "record the command: that is no target for it");
        let watched = Watcher::start(&Target::Command, &facts).unwrap_err().to_string();
        assert_eq!(watched, "watch the command: that is no target for it");
    }

    #[test]
    fn execve_numbers_are_the_tables() {
        for arch in Arch::ALL {
            let execve = sandprint_model::Syscall { abi: arch.native_abi(), nr: execve_nr(arch) };
            assert_eq!(execve.name(), Some("execve"));
        }
    }
}
