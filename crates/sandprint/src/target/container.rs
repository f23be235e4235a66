//! A container by its id or name, found in the cgroup tree.
//!
//! Engines name a container's cgroup after its id; this knows Docker, Podman, containerd (also below
//! Kubernetes), CRI-O and nerdctl, with both of their cgroup drivers. Names are looked up in the engines'
//! state files, see [`super::container_names`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sandprint_model::ByteString;

use super::cgroup;
use super::{Host, Target, TargetError, container_names};

/// What stands before the id in a cgroup's name. Not `libpod-conmon-` and `crio-conmon-`: those hold the
/// monitor, not the container.
const PREFIXES: [&str; 7] =
    ["", "docker-", "libpod-", "libpod-payload-", "cri-containerd-", "crio-", "nerdctl-"];

/// Below these, directories are containers whatever their name: containerd's namespaces, with ids that
/// `ctr` takes as they are given.
const NAMESPACES: [&str; 3] = ["default", "k8s.io", "moby"];

/// The fewest digits of an id that are taken for one.
const SHORTEST_PREFIX: usize = 4;

/// The cgroup of the running container that is meant.
pub(super) fn find(host: &Host, wanted: &str) -> Result<Target, TargetError> {
    let shown = ByteString::from(wanted).escaped();
    let mounts = cgroup::mounts(host)?;
    let top = host.path(&mounts.unified);
    let running = running(&top);
    let names = container_names::read(host);

    let mut ids: Vec<&String> = running.keys().filter(|id| *id == wanted).collect();
    if ids.is_empty() {
        ids = running.keys().filter(|id| has_name(&names, id, wanted)).collect();
    }
    if ids.is_empty() && is_id_prefix(wanted) {
        ids = running.keys().filter(|id| id.starts_with(wanted)).collect();
    }
    match ids.as_slice() {
        [id] => match running.get(*id).map(Vec::as_slice) {
            Some([directory]) => {
                let id = ByteString::from(id.get(..12).unwrap_or(id)).escaped();
                Ok(Target::Cgroup { directory: top.join(directory), words: format!("container {id}") })
            }
            several => Err(TargetError::ManyContainers {
                container: shown,
                found: several.unwrap_or_default().iter().map(|path| escaped(path)).collect(),
            }),
        },
        [] if !wanted.is_empty() && wanted.len() < SHORTEST_PREFIX && is_hex(wanted) => {
            Err(TargetError::ShortId { container: shown, fewest: SHORTEST_PREFIX })
        }
        [] => Err(absent(host, wanted, shown, &names)),
        several => Err(TargetError::ManyContainers {
            container: shown,
            found: several.iter().map(|id| with_names(id, &names)).collect(),
        }),
    }
}

/// The cgroups of running containers, below the top, by id; also of containers in containers.
fn running(top: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    cgroup::search(top, &mut |below| {
        if let Some(id) = container_id(below) {
            // A container's group comes before those in it, which may carry its id once more.
            let groups = found.entry(id.to_owned()).or_default();
            if !groups.iter().any(|outer| below.starts_with(outer)) {
                groups.push(below.to_owned());
            }
        }
        false
    });
    found
}

/// The id of the container whose cgroup this is.
pub(super) fn container_id(below: &Path) -> Option<&str> {
    let name = below.file_name()?.to_str()?;
    let inner = name.strip_suffix(".scope").unwrap_or(name);
    let by_pattern =
        PREFIXES.iter().find_map(|prefix| inner.strip_prefix(prefix).filter(|id| is_full_id(id)));
    let parent = below.parent().and_then(Path::to_str).unwrap_or_default();
    by_pattern.or_else(|| NAMESPACES.contains(&parent).then_some(name))
}

/// All engines but plain `ctr` use 64 lower-case hexadecimal digits.
fn is_full_id(id: &str) -> bool {
    id.len() == 64 && is_hex(id)
}

fn is_id_prefix(text: &str) -> bool {
    text.len() >= SHORTEST_PREFIX && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn has_name(names: &BTreeMap<String, Vec<String>>, id: &str, wanted: &str) -> bool {
    names.get(id).is_some_and(|names| names.iter().any(|name| name == wanted))
}

/// Why there is none: it may run where only version 1 sees it.
fn absent(host: &Host, wanted: &str, shown: String, names: &BTreeMap<String, Vec<String>>) -> TargetError {
    let in_v1 = |path: &str| {
        path.split('/').filter_map(|part| container_id(Path::new(part))).any(|id| {
            id == wanted || has_name(names, id, wanted) || is_id_prefix(wanted) && id.starts_with(wanted)
        })
    };
    let pids = cgroup::v1_processes(host, &in_v1);
    if pids.is_empty() {
        TargetError::NoContainer { container: shown }
    } else {
        TargetError::OnlyV1 { what: format!("container {shown}"), pids }
    }
}

fn with_names(id: &str, names: &BTreeMap<String, Vec<String>>) -> String {
    let id = ByteString::from(id).escaped();
    match names.get(&*id) {
        Some(names) if !names.is_empty() => format!("{id} ({})", ByteString::from(names.join(" ").as_str())),
        _ => id,
    }
}

fn escaped(path: &Path) -> String {
    format!("/{}", ByteString::new(path.as_os_str().as_encoded_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup_names_of_every_engine_are_known() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for (path, expected) in [
            ("system.slice/docker-ID.scope", Some(id)),
            ("docker/ID", Some(id)),
            ("machine.slice/libpod-ID.scope", Some(id)),
            ("libpod_parent/libpod-ID", Some(id)),
            ("a.service/libpod-payload-ID", Some(id)),
            ("kubepods.slice/kubepods-pod1.slice/cri-containerd-ID.scope", Some(id)),
            ("kubepods/besteffort/pod1/ID", Some(id)),
            ("kubepods.slice/crio-ID.scope", Some(id)),
            ("k8s.io/ID", Some(id)),
            ("system.slice/nerdctl-ID.scope", Some(id)),
            ("default/redis", Some("redis")),
            ("ID", Some(id)),
            ("libpod_parent/libpod-conmon-ID", None),
            ("kubepods.slice/crio-conmon-ID.scope", None),
            ("kubepods", None),
            ("other/redis", None),
            ("docker/0123", None),
        ] {
            let path = path.replace("ID", id);
            assert_eq!(container_id(Path::new(&path)), expected, "{path}");
        }
    }
}
