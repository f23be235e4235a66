//! What a reader of the policy should know.

use std::collections::BTreeSet;

use sandprint_model::{Abi, KernelVersion, Note, Syscall, Trace};

use super::{DefaultAction, SynthConfig};

/// Calls that do the same. Refusing one of them while another is allowed is no barrier.
const SAME_POWER: &[&[&str]] =
    &[&["execve", "execveat"], &["open", "openat", "openat2"], &["clone", "clone3"]];

/// The oldest kernel that a trace was recorded on, as far as its runs say.
pub(super) fn oldest_kernel(trace: &Trace) -> Option<KernelVersion> {
    kernels(trace).flatten().min()
}

/// The kernel of each run; `None` where the recording does not say, or not in a form that can be read.
fn kernels(trace: &Trace) -> impl Iterator<Item = Option<KernelVersion>> {
    trace.runs.values().map(|run| run.host.as_ref().and_then(|host| host.kernel.parse().ok()))
}

/// Notes about the recording as a whole.
pub(super) fn of_trace(trace: &Trace, config: &SynthConfig) -> BTreeSet<Note> {
    let mut notes = BTreeSet::new();
    let unknown = kernels(trace).filter(Option::is_none).count();
    if config.kernel.is_none() && config.default_action != DefaultAction::Log && unknown > 0 {
        let (runs, oldest) = (trace.runs.len(), oldest_kernel(trace));
        notes.insert(Note::KernelsUnknown { unknown, runs, oldest });
    }
    if config.default_action == DefaultAction::KillThread {
        notes.insert(Note::ThreadsLeft);
    }
    notes
}

/// Notes about what is allowed.
pub(super) fn of_allowed(allowed: &BTreeSet<Syscall>, config: &SynthConfig) -> BTreeSet<Note> {
    let abis: BTreeSet<Abi> = allowed.iter().map(|syscall| syscall.abi).collect();
    let mut notes = BTreeSet::new();
    for abi in &abis {
        notes.extend(same_power(allowed, *abi));
        if *abi != abi.arch().native_abi() {
            notes.insert(Note::OtherAbi(*abi));
        }
    }
    let nameless = allowed.iter().filter(|syscall| syscall.name().is_none());
    notes.extend(nameless.copied().map(Note::Nameless));
    let native: BTreeSet<Abi> = abis.iter().map(|abi| abi.arch().native_abi()).collect();
    for abi in native {
        let execve = Syscall::from_name(abi, "execve");
        if config.runtimes.is_empty() && !execve.is_some_and(|execve| allowed.contains(&execve)) {
            notes.insert(Note::NotStarted(abi));
        }
    }
    notes
}

fn same_power(allowed: &BTreeSet<Syscall>, abi: Abi) -> impl Iterator<Item = Note> {
    SAME_POWER.iter().filter_map(move |names| {
        let here = || names.iter().filter_map(|name| Syscall::from_name(abi, name));
        let list = |wanted: bool| {
            let calls = here().filter(|syscall| allowed.contains(syscall) == wanted);
            calls.collect::<Vec<_>>()
        };
        let (allowed, refused) = (list(true), list(false));
        let mixed = !allowed.is_empty() && !refused.is_empty();
        mixed.then_some(Note::SamePower { allowed, refused })
    })
}
