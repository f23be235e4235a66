//! Where in the cgroup tree a unit will be, before it is there.

use std::path::PathBuf;

/// Names that the kernel gives to files of its own in a cgroup are these, or begin with one of them and a dot.
const OF_THE_KERNEL: [&str; 3] = ["notify_on_release", "release_agent", "tasks"];

/// What is before the dot in names that the kernel gives to files in a cgroup: `cgroup`, and the controllers that systemd
/// knows (`cgroup_controller_table` in systemd's src/basic/cgroup-util.c).
const CONTROLLERS: [&str; 14] = [
    "cgroup",
    "cpu",
    "cpuacct",
    "cpuset",
    "io",
    "blkio",
    "memory",
    "devices",
    "pids",
    "bpf-firewall",
    "bpf-devices",
    "bpf-foreign",
    "bpf-socket-bind",
    "bpf-restrict-network-interfaces",
];

/// The cgroup of a slice, from the manager's own: `a-b.slice` lies in `a.slice` (systemd.slice(5)).
pub(super) fn of_slice(slice: &str) -> PathBuf {
    let inner = slice.strip_suffix(".slice").unwrap_or(slice);
    let mut path = PathBuf::new();
    // The root slice is called `-`.
    if inner == "-" || inner.is_empty() {
        return path;
    }
    for (at, _) in inner.match_indices('-').chain([(inner.len(), "")]) {
        if let Some(above) = inner.get(..at) {
            path.push(escaped(&format!("{above}.slice")));
        }
    }
    path
}

/// The cgroup of a unit in that slice.
pub(super) fn of_unit(slice: &str, unit: &str) -> PathBuf {
    of_slice(slice).join(escaped(unit))
}

/// As systemd names a cgroup: with `_` before what the kernel could take for a file of its own (`cg_needs_escape` there).
fn escaped(name: &str) -> String {
    let of_controller = CONTROLLERS
        .iter()
        .any(|controller| name.strip_prefix(controller).is_some_and(|rest| rest.starts_with('.')));
    if name.starts_with(['_', '.']) || OF_THE_KERNEL.contains(&name) || of_controller {
        format!("_{name}")
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn units_lie_in_the_slices_of_their_slice() {
        for (slice, unit, expected) in [
            ("system.slice", "nginx.service", "system.slice/nginx.service"),
            ("-.slice", "init.scope", "init.scope"),
            ("", "odd.service", "odd.service"),
            (
                "system-getty.slice",
                "getty@tty1.service",
                "system.slice/system-getty.slice/getty@tty1.service",
            ),
            ("a-b-c.slice", "x.service", "a.slice/a-b.slice/a-b-c.slice/x.service"),
            ("system-a\\x2db.slice", "a-b@0.service", "system.slice/system-a\\x2db.slice/a-b@0.service"),
            ("system.slice", "cgroup.service", "system.slice/_cgroup.service"),
            ("system.slice", "memory.service", "system.slice/_memory.service"),
            ("system.slice", "memory-hog.service", "system.slice/memory-hog.service"),
            ("memory.slice", "x.service", "_memory.slice/x.service"),
            ("system.slice", "_own.service", "system.slice/__own.service"),
        ] {
            assert_eq!(of_unit(slice, unit), Path::new(expected), "{slice} {unit}");
        }
    }
}
