//! The JSON of Docker's profiles, and of Podman's (containers-common), which name errno values.
//!
//! A rule may be bound to machines, capabilities and a kernel (`includes`, `excludes`): which of them are in
//! force is decided for one place of use. Docker takes the architectures of its own machine's entry in `archMap`.
//! Podman knows no `minKernel`, and uses such a rule always.
//!
//! Sources: `profiles/seccomp/seccomp_linux.go` of moby, pkg/seccomp of containers/common 0.50.

use std::collections::BTreeSet;

use sandprint_model::note::Capabilities;
use sandprint_model::{Arch, Capability, KernelVersion, Loss, LossKind, Note};

use super::oci::{self, finish};
use super::profile::{self, Entry, Profile};
use super::{Format, ImportError, Imported, Site, word};

/// What Docker gives a container without being asked (oci/caps/defaults.go of moby).
pub const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// The full name of a capability, which may be given in small letters and without `CAP_`.
pub fn capability(name: &str) -> Option<&'static str> {
    let wanted = name.to_ascii_uppercase();
    let wanted = wanted.strip_prefix("CAP_").unwrap_or(&wanted);
    Capability::named().filter_map(Capability::name).find(|full| full.strip_prefix("CAP_") == Some(wanted))
}

/// Reads a profile.
pub(super) fn import(text: &str, site: &Site) -> Result<Imported, ImportError> {
    let mut profile = profile::read(text, Format::Docker)?;
    let named = match (profile.architectures.take(), profile.arch_map.take()) {
        (Some(_), Some(map)) if !map.is_empty() => {
            let problem =
                "`archMap` stands beside `architectures`, and Docker takes one of them only".to_owned();
            return Err(ImportError::Text { at: profile.arch_map_at, problem });
        }
        (_, Some(map)) if !map.is_empty() => of_machine(map, site, &mut profile),
        (named, _) => named.unwrap_or_default(),
    };
    // On its own machine Docker also lets in its own ABI.
    let abis: Vec<_> = oci::abis(&named, site, &mut profile)?;
    let is_podman = profile.names_errno;
    let mut ignored_kernels = BTreeSet::new();
    let entries = std::mem::take(&mut profile.entries);
    for mut entry in entries {
        if is_podman && entry.includes.min_kernel.or(entry.excludes.min_kernel).is_some() {
            ignored_kernels.extend(entry.names.iter().cloned());
            entry.includes.min_kernel = None;
            entry.excludes.min_kernel = None;
        }
        if is_in_force(&entry, site) {
            profile.entries.push(entry);
        }
    }
    if !ignored_kernels.is_empty() {
        let kind = LossKind::IgnoredByPodman(ignored_kernels);
        profile.losses.insert(Loss::stricter(word("`minKernel`"), kind));
    }
    let (arch, kernel, capabilities) = (site.arch, site.kernel, capabilities(site));
    profile.notes.insert(Note::ChosenFor { arch, kernel, capabilities });
    let mut imported = finish(Format::Docker, profile, &abis);
    imported.policy.kernel = site.kernel;
    Ok(imported)
}

/// The architectures of the site's entry.
fn of_machine(
    map: Vec<profile::MapEntry>,
    site: &Site,
    profile: &mut Profile,
) -> Vec<(sandprint_model::wire::Position, String)> {
    let native = site.arch.native_abi();
    let at = profile.arch_map_at;
    for (name, others) in map {
        if oci::abi(&name) == Some(native) {
            return std::iter::once((at, name)).chain(others).collect();
        }
    }
    profile.notes.insert(Note::NoMapEntry(site.arch));
    Vec::new()
}

/// Whether Docker uses a rule.
fn is_in_force(entry: &Entry, site: &Site) -> bool {
    let machine = match site.arch {
        Arch::Aarch64 => "arm64",
        Arch::X86_64 => "amd64",
    };
    let has_machine = |arches: &[String]| arches.iter().any(|arch| arch == machine);
    let has = |cap: &String| site.capabilities.contains(cap);
    let reaches = |version: KernelVersion| site.kernel.is_none_or(|kernel| kernel >= version);
    let (includes, excludes) = (&entry.includes, &entry.excludes);
    let is_out = has_machine(&excludes.arches)
        || excludes.caps.iter().any(has)
        || excludes.min_kernel.is_some_and(reaches);
    let is_in = (includes.arches.is_empty() || has_machine(&includes.arches))
        && includes.caps.iter().all(has)
        && includes.min_kernel.is_none_or(reaches);
    is_in && !is_out
}

fn capabilities(site: &Site) -> Capabilities {
    let defaults: BTreeSet<String> = DEFAULT_CAPABILITIES.iter().map(|name| (*name).to_owned()).collect();
    if site.capabilities.is_superset(&defaults) {
        Capabilities::DefaultsAnd(site.capabilities.difference(&defaults).cloned().collect())
    } else {
        Capabilities::Only(site.capabilities.clone())
    }
}
