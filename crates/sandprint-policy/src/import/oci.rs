//! The `linux.seccomp` object of the OCI runtime specification, as runc and crun read it.
//!
//! Names that a runtime does not know are skipped there, and rules of the default action dropped. Calls of an
//! ABI that is not listed kill the thread (libseccomp's own answer, which runtimes leave as it is).

use std::collections::BTreeSet;

use sandprint_model::errno::ENOSYS;
use sandprint_model::sentence::quoted;
use sandprint_model::wire::Position;
use sandprint_model::{Abi, Action, Loss, LossKind, Note, Syscall};

use super::libseccomp::Filter;
use super::profile::{self, Profile};
use super::{Format, ImportError, Imported, Site, policy, reason, runs, unknown_names, word};
use crate::libseccomp::OLD_LIBSECCOMP;

/// Reads a profile.
pub(super) fn import(text: &str, site: &Site) -> Result<Imported, ImportError> {
    let mut profile = profile::read(text, Format::Oci)?;
    let named = profile.architectures.take().unwrap_or_default();
    let abis = abis(&named, site, &mut profile)?;
    Ok(finish(Format::Oci, profile, &abis))
}

/// The ABIs of an `architectures` list, native ones first; the site's own where it is empty.
pub(super) fn abis(
    named: &[(Position, String)],
    site: &Site,
    profile: &mut Profile,
) -> Result<Vec<Abi>, ImportError> {
    let mut listed_abis = BTreeSet::new();
    let mut others = BTreeSet::new();
    for (at, name) in named {
        match abi(name) {
            Some(abi) => drop(listed_abis.insert(abi)),
            None if name.starts_with("SCMP_ARCH_") => drop(others.insert(name.clone())),
            None => {
                let problem = format!("{} is no architecture", quoted(name));
                return Err(ImportError::Text { at: *at, problem });
            }
        }
    }
    if !others.is_empty() {
        let kind = LossKind::UnknownArchitectures(others);
        profile.losses.insert(Loss::stricter(word("architectures"), kind));
    }
    let native = site.arch.native_abi();
    profile.lists_architectures = !listed_abis.is_empty();
    if listed_abis.is_empty() {
        profile.notes.insert(Note::NoArchitecture(native));
        return Ok(vec![native]);
    }
    let natives: BTreeSet<Abi> = listed_abis.iter().map(|abi| abi.arch().native_abi()).collect();
    profile.notes.extend(natives.difference(&listed_abis).copied().map(Note::UnlistedAbi));
    Ok(natives.iter().copied().chain(listed_abis.difference(&natives).copied()).collect())
}

/// The ABI of a name that libseccomp gives architectures.
pub(super) fn abi(name: &str) -> Option<Abi> {
    Some(match name {
        "SCMP_ARCH_AARCH64" => Abi::Aarch64,
        "SCMP_ARCH_ARM" => Abi::Arm,
        "SCMP_ARCH_X32" => Abi::X32,
        "SCMP_ARCH_X86" => Abi::I386,
        "SCMP_ARCH_X86_64" => Abi::X86_64,
        _ => return None,
    })
}

/// The policy of a profile for some ABIs.
pub(super) fn finish(format: Format, profile: Profile, abis: &[Abi]) -> Imported {
    let default = profile.default_action;
    let (mut losses, mut notes) = (profile.losses, profile.notes);
    let mut filter = Filter::new(default, abis);
    for entry in &profile.entries {
        let reason = reason(format, &entry.comment);
        for name in &entry.names {
            filter.add(name, entry.action, &entry.args, &reason);
        }
    }
    if !filter.unknown.is_empty() {
        let refused = filter.unknown.values().any(|refuses| *refuses);
        let names: BTreeSet<String> = std::mem::take(&mut filter.unknown).into_keys().collect();
        losses.insert(unknown_names(names, refused && runs(default)));
    }
    // Without a list of architectures, `findLastSyscalls` of runc's patchbpf has nothing to go through.
    let is_patched = profile.lists_architectures
        && !matches!(default, Action::Allow | Action::Log | Action::Trace(_) | Action::Errno(ENOSYS));
    if is_patched {
        notes.insert(Note::RuncStub);
    }
    let newer: BTreeSet<String> = profile
        .entries
        .iter()
        .flat_map(|entry| &entry.names)
        .filter(|name| is_new(name, abis))
        .cloned()
        .collect();
    if !newer.is_empty() {
        notes.insert(Note::NewerNames { than: OLD_LIBSECCOMP, names: newer });
    }
    let finished = filter.finish();
    losses.extend(finished.losses);
    notes.extend(finished.notes);
    let mut faults = profile.faults;
    faults.extend(finished.faults);
    let policy = policy(format, (default, Action::KillThread), abis, finished.rules, notes);
    Imported { policy, losses, faults }
}

/// Whether a name is of a call that the libseccomp of some machines does not know yet.
fn is_new(name: &str, abis: &[Abi]) -> bool {
    let calls = abis.iter().filter_map(|abi| Syscall::from_name(*abi, name));
    calls.into_iter().any(|syscall| syscall.since() > Some(OLD_LIBSECCOMP))
}
