//! A systemd unit by its name, found in the cgroup tree: no D-Bus, and systemctl only for one that does not run yet.
//!
//! systemd gives every running unit a cgroup of the unit's name, below its slices: /system.slice for
//! those of the system, /user.slice/user-UID.slice/user@UID.service for a user's.

use super::cgroup;
use super::{Host, Target, TargetError};
use crate::systemd::{SystemdError, Unit};

use sandprint_model::ByteString;

/// Kinds of units that have a cgroup (systemd.unit(5)).
const SUFFIXES: [&str; 6] = [".service", ".scope", ".slice", ".socket", ".mount", ".swap"];

/// The cgroup of the running unit of that name; `.service` may be left out.
pub(super) fn find(host: &Host, name: &str) -> Result<Target, TargetError> {
    let is_whole = SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    let unit = if is_whole { name.to_owned() } else { format!("{name}.service") };
    let shown = ByteString::from(unit.as_str()).escaped();
    let mounts = cgroup::mounts(host)?;
    let top = host.path(&mounts.unified);
    let mut found = Vec::new();
    cgroup::search(&top, &mut |below| {
        let is_it =
            below.file_name().and_then(|name| name.to_str()).is_some_and(|name| is_group_of(name, &unit));
        if is_it {
            found.push(below.to_owned());
        }
        is_it
    });
    found.sort();
    match found.as_slice() {
        [only] => Ok(Target::Cgroup { directory: top.join(only), words: format!("unit {shown}") }),
        [] => {
            let in_v1 = |path: &str| path.split('/').any(|part| is_group_of(part, &unit));
            let pids = cgroup::v1_processes(host, &in_v1);
            if pids.is_empty() {
                Err(TargetError::NoUnit { unit: shown, mount: mounts.unified })
            } else {
                Err(TargetError::OnlyV1 { what: shown, pids })
            }
        }
        several => Err(TargetError::ManyUnits {
            unit: shown,
            found: several
                .iter()
                .map(|path| format!("/{}", ByteString::new(path.as_os_str().as_encoded_bytes())))
                .collect(),
        }),
    }
}

/// The cgroup that a unit will have which does not run. Where the manager has none to offer, it stays `absent`.
pub(super) fn next(host: &Host, name: &str, absent: TargetError) -> Result<Target, TargetError> {
    let unit = match Unit::look_up(name) {
        Ok(unit) => unit,
        Err(SystemdError::NoSystemctl(_) | SystemdError::NoManager(_) | SystemdError::NoUnit(_)) => {
            return Err(absent);
        }
        Err(error) => return Err(TargetError::Systemd(error)),
    };
    let directory = cgroup::mounts(host)?.unified.join(unit.cgroup().map_err(TargetError::Systemd)?);
    Ok(Target::Cgroup { directory, words: format!("unit {}", unit.shown()) })
}

/// The unit that a cgroup of this name belongs to, if it is one. Slices hold units, and are none that runs something.
pub(super) fn of_group(name: &str) -> Option<&str> {
    let unit = name.strip_prefix('_').unwrap_or(name);
    let runs = |suffix: &str| suffix != ".slice" && unit.len() > suffix.len() && unit.ends_with(suffix);
    SUFFIXES.iter().any(|suffix| runs(suffix)).then_some(unit)
}

/// Whether a cgroup of this name is the unit's. systemd puts `_` before names that the kernel could take
/// for its own files, such as `cgroup.service` (`cg_escape` in systemd's src/basic/cgroup-util.c).
fn is_group_of(name: &str, unit: &str) -> bool {
    name == unit || name.strip_prefix('_') == Some(unit)
}
