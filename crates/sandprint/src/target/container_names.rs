//! Names of containers, from the engines' own state files, where they can be read.
//!
//! - Docker: /var/lib/docker/containers/ID/config.v2.json, `Name`.
//! - Podman: containers.json of containers/storage: an array with `id` and `names`; of the system, and of
//!   the user who called sudo, below the home directory in /etc/passwd.
//! - nerdctl: /var/lib/nerdctl/ADDRESS/names/NAMESPACE/NAME, a file that holds the id.
//! - Kubernetes on containerd: the bundle's config.json, annotation `io.kubernetes.cri.container-name`.
//!
//! An engine with another data directory is found by container id only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Host;
use crate::trace_file;

/// The names of each container, by id. What cannot be read or understood is passed over.
pub(super) fn read(host: &Host) -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::new();
    docker(host, &mut names);
    podman(host, &mut names);
    nerdctl(host, &mut names);
    kubernetes(host, &mut names);
    names
}

type Names = BTreeMap<String, Vec<String>>;

fn add(names: &mut Names, id: String, name: String) {
    let known = names.entry(id).or_default();
    if !known.contains(&name) {
        known.push(name);
    }
}

fn docker(host: &Host, names: &mut Names) {
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "Name")]
        name: String,
    }
    for directory in children(&host.path("/var/lib/docker/containers")) {
        if let (Some(id), Some(config)) =
            (file_name(&directory), json::<Config>(&directory.join("config.v2.json")))
        {
            // Docker keeps names with a slash before them.
            add(names, id, config.name.trim_start_matches('/').to_owned());
        }
    }
}

fn podman(host: &Host, names: &mut Names) {
    #[derive(Deserialize)]
    struct Container {
        id: String,
        #[serde(default)]
        names: Option<Vec<String>>,
    }
    let mut storages = vec![host.path("/var/lib/containers/storage")];
    if let Some(home) = trace_file::sudo_caller().and_then(|(user, _)| home_of(host, user)) {
        storages.push(host.path(home).join(".local/share/containers/storage"));
    }
    for storage in storages {
        for driver in ["overlay-containers", "vfs-containers", "btrfs-containers", "zfs-containers"] {
            let containers = json::<Vec<Container>>(&storage.join(driver).join("containers.json"));
            for container in containers.unwrap_or_default() {
                for name in container.names.unwrap_or_default() {
                    add(names, container.id.clone(), name);
                }
            }
        }
    }
}

fn nerdctl(host: &Host, names: &mut Names) {
    for address in children(&host.path("/var/lib/nerdctl")) {
        for namespace in children(&address.join("names")) {
            for file in children(&namespace) {
                if let (Some(name), Ok(id)) = (file_name(&file), fs::read_to_string(&file)) {
                    add(names, id.trim().to_owned(), name);
                }
            }
        }
    }
}

fn kubernetes(host: &Host, names: &mut Names) {
    #[derive(Deserialize)]
    struct Bundle {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    for bundle in children(&host.path("/run/containerd/io.containerd.runtime.v2.task/k8s.io")) {
        if let (Some(id), Some(config)) = (file_name(&bundle), json::<Bundle>(&bundle.join("config.json")))
            && let Some(name) = config.annotations.get("io.kubernetes.cri.container-name")
        {
            add(names, id, name.clone());
        }
    }
}

/// The home directory of a user, as /etc/passwd has it (passwd(5)).
fn home_of(host: &Host, user: u32) -> Option<PathBuf> {
    let passwd = fs::read_to_string(host.path("/etc/passwd")).ok()?;
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_user = fields.get(2)?.parse() == Ok(user);
        is_user.then(|| fields.get(5).map(PathBuf::from)).flatten()
    })
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name()?.to_str().map(str::to_owned)
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
