//! What a launcher calls after it has loaded the filter and before the workload's first instruction, and what an init
//! calls that is put before the workload.
//!
//! The calls were learnt by recording them; `data/runtimes.tsv` holds them, and is part of the program.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Abi, Arch, Reason, Syscall};

use super::{SynthError, portable};

static TABLE: &str = include_str!("../../data/runtimes.tsv");

/// A launcher that loads the filter, or an init that a launcher starts under it, in place of the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// bubblewrap.
    Bwrap,
    /// catatonit, the init of `podman run --init`.
    Catatonit,
    /// crun.
    Crun,
    /// runc.
    Runc,
    /// systemd, as the manager of a unit.
    Systemd,
    /// tini, the init of `docker run --init`, which is called docker-init there.
    Tini,
}

impl Runtime {
    /// Every launcher and every init, in name order.
    pub const ALL: [Runtime; 6] =
        [Runtime::Bwrap, Runtime::Catatonit, Runtime::Crun, Runtime::Runc, Runtime::Systemd, Runtime::Tini];

    /// Those that load a filter.
    pub const LAUNCHERS: [Runtime; 4] = [Runtime::Bwrap, Runtime::Crun, Runtime::Runc, Runtime::Systemd];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Bwrap => "bwrap",
            Runtime::Catatonit => "catatonit",
            Runtime::Crun => "crun",
            Runtime::Runc => "runc",
            Runtime::Systemd => "systemd",
            Runtime::Tini => "tini",
        }
    }

    /// The launcher or init of that name.
    pub fn from_name(name: &str) -> Option<Runtime> {
        Runtime::ALL.into_iter().find(|runtime| runtime.name() == name)
    }
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row<'t> {
    runtime: Runtime,
    version: &'t str,
    /// Which way `no_new_privs` must be; `None` for both.
    no_new_privs: Option<bool>,
    call: &'t str,
    why: &'t str,
}

/// The calls that a launcher or an init needs, in the native ABIs of the machines that these ABIs belong to: they are
/// native programs. Calls of every recorded version are allowed; where a machine has not got one, those that a libc
/// makes there instead.
pub(super) fn needed(
    runtime: Runtime,
    no_new_privs: Option<bool>,
    abis: &BTreeSet<Abi>,
) -> Result<Vec<(Syscall, Reason)>, SynthError> {
    let rows = parse(TABLE)?;
    let wanted = |row: &&Row<'_>| {
        let fits = row.no_new_privs.is_none() || no_new_privs.is_none() || row.no_new_privs == no_new_privs;
        row.runtime == runtime && fits
    };
    // One reason for what several versions do in the same words.
    let mut versions: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for row in rows.iter().filter(wanted) {
        versions.entry((row.call, row.why)).or_default().insert(row.version);
    }
    let machines: BTreeSet<Arch> = abis.iter().map(|abi| abi.arch()).collect();
    let mut calls = Vec::new();
    for ((call, why), versions) in versions {
        let versions = versions.into_iter().collect::<Vec<_>>().join(", ");
        for machine in &machines {
            let why = format!("{why} (seen in version {versions})");
            let reason = Reason::Runtime { runtime: runtime.name().to_owned(), why };
            let there = native(machine.native_abi(), call).into_iter();
            calls.extend(there.map(|syscall| (syscall, reason.clone())));
        }
    }
    Ok(calls)
}

/// The call of that name, or what stands for it in an ABI that has not got it.
fn native(abi: Abi, call: &str) -> Vec<Syscall> {
    if let Some(syscall) = Syscall::from_name(abi, call) {
        return vec![syscall];
    }
    portable::equivalents_there(call, abi).into_iter().map(|(syscall, _)| syscall).collect()
}

/// Reads the table. Strict: it is ours, and a line that is skipped is a container that does not start.
fn parse(text: &str) -> Result<Vec<Row<'_>>, SynthError> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let error = |problem: String| SynthError::RuntimeTable { line: index + 1, problem };
        let row = parse_row(line).map_err(error)?;
        let is_twice = |other: &Row<'_>| {
            (other.runtime, other.version, other.no_new_privs, other.call)
                == (row.runtime, row.version, row.no_new_privs, row.call)
        };
        if rows.iter().any(is_twice) {
            return Err(error(format!("`{}` is there twice", row.call)));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn parse_row(line: &str) -> Result<Row<'_>, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [runtime, version, no_new_privs, call, why] = fields[..] else {
        return Err(format!("{} columns instead of 5", fields.len()));
    };
    if let Some(field) = fields.iter().find(|field| field.trim() != **field || field.is_empty()) {
        return Err(format!("`{field}` is empty or has blanks around it"));
    }
    let no_new_privs = match no_new_privs {
        "yes" => Some(true),
        "no" => Some(false),
        "any" => None,
        other => return Err(format!("`{other}` is not yes, no or any")),
    };
    if !Abi::ALL.iter().any(|abi| Syscall::from_name(*abi, call).is_some()) {
        return Err(format!("there is no call `{call}`"));
    }
    let runtime = Runtime::from_name(runtime).ok_or_else(|| format!("there is no launcher `{runtime}`"))?;
    Ok(Row { runtime, version, no_new_privs, call, why })
}

#[cfg(test)]
mod tests;
