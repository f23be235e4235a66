//! The container and the systemd unit that a cgroup belongs to, by its path.

use std::path::{Path, PathBuf};

use sandprint_model::ByteString;

use super::container::container_id;
use super::{Host, container_names, unit};

/// Whose a cgroup is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// The innermost container.
    pub(crate) container: Option<InContainer>,
    /// The innermost unit, of the host or of a systemd in the container. Not the scope that an engine made for the
    /// container itself.
    pub(crate) unit: Option<String>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InContainer {
    /// Its id.
    pub(crate) id: String,
    /// Its names, where the engine's state files tell them.
    pub(crate) names: Vec<String>,
}

/// The place of a cgroup.
pub(super) fn of(host: &Host, cgroup: &ByteString) -> Place {
    let (id, unit) = read(cgroup);
    let container = id.map(|id| {
        let names = container_names::read(host).remove(&id).unwrap_or_default();
        InContainer { id, names }
    });
    Place { container, unit }
}

/// The container's id and the unit that the path names. A part that is no UTF-8 names neither.
fn read(cgroup: &ByteString) -> (Option<String>, Option<String>) {
    let text = String::from_utf8_lossy(cgroup.as_bytes());
    let mut below = PathBuf::new();
    let (mut container, mut unit) = (None, None);
    for part in text.split('/').filter(|part| !part.is_empty()) {
        below.push(part);
        if let Some(id) = container_id(Path::new(&below)) {
            container = Some(id.to_owned());
        } else if let Some(name) = unit::of_group(part) {
            unit = Some(name.to_owned());
        }
    }
    (container, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OTHER: &str = "01239999999999999999999999999999999999999999999999999999999999ff";

    #[test]
    fn the_innermost_container_and_unit_are_named() {
        for (path, container, unit) in [
            ("/", None, None),
            ("/system.slice/nginx.service", None, Some("nginx.service")),
            ("/system.slice/_cgroup.service/worker", None, Some("cgroup.service")),
            ("/system.slice", None, None),
            ("/.service", None, None),
            ("/user.slice/user-1.slice/user@1.service/app.slice/x.service", None, Some("x.service")),
            ("/user.slice/user-1.slice/session-2.scope", None, Some("session-2.scope")),
            ("/system.slice/docker-ID.scope/init", Some(ID), None),
            ("/system.slice/docker-ID.scope/system.slice/a.service", Some(ID), Some("a.service")),
            ("/docker/ID", Some(ID), None),
            ("/default/redis", Some("redis"), None),
            ("/machine.slice/libpod-conmon-ID.scope", None, Some("libpod-conmon-ID.scope")),
            ("/system.slice/docker-ID.scope/kubelet/pod1/cri-containerd-OTHER.scope", Some(OTHER), None),
        ] {
            let full = |text: &str| text.replace("ID", ID).replace("OTHER", OTHER);
            let found = read(&ByteString::from(full(path).as_str()));
            assert_eq!(found, (container.map(str::to_owned), unit.map(full)), "{path}");
        }
    }

    #[test]
    fn a_containers_names_are_those_of_its_engine() {
        let tree = tempfile::tempdir().unwrap();
        let folder = tree.path().join("var/lib/docker/containers").join(ID);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.v2.json"), "{\"Name\":\"/web\"}").unwrap();
        let place = Host::at(tree.path()).place(&ByteString::from(format!("/docker/{ID}").as_str()));
        let container = InContainer { id: ID.to_owned(), names: vec!["web".to_owned()] };
        assert_eq!(place, Place { container: Some(container), unit: None });
    }
}
