//! Targets found on trees that look like hosts.

use super::*;
use std::fs;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER: &str = "01239999999999999999999999999999999999999999999999999999999999ff";

struct Tree(tempfile::TempDir);

impl Tree {
    /// A host with cgroup2 at its usual place, or one with both versions.
    fn new(hybrid: bool) -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        let mountinfo = if hybrid {
            "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        } else {
            "25 20 0:22 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n"
        };
        tree.file("proc/self/mountinfo", mountinfo);
        tree
    }

    fn file(&self, path: &str, content: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn cgroup(&self, path: &str) {
        self.file(&format!("sys/fs/cgroup/{path}/cgroup.procs"), "");
    }

    fn host(&self) -> Host {
        Host::at(self.0.path())
    }

    /// The cgroup found, below the mount's usual place, with its words; or the error, with its hint.
    fn show(&self, found: Result<Target, TargetError>) -> String {
        match found {
            Ok(Target::Cgroup { directory, words }) => {
                let mount = self.0.path().join("sys/fs/cgroup");
                format!("{} ({words})", directory.strip_prefix(mount).unwrap().display())
            }
            Ok(Target::Processes(pids)) => format!("{pids:?}"),
            Ok(target @ (Target::Command | Target::System)) => target.describe(),
            Err(error) => format!("{error} | {}", error.hint()),
        }
    }
}

#[test]
fn a_cgroup_is_found_by_any_of_its_paths() {
    let tree = Tree::new(false);
    tree.cgroup("a.slice/b.service");
    fs::create_dir(tree.0.path().join("sys/fs/cgroup/no-cgroup")).unwrap();
    let missing = |path: &str| {
        format!(
            "there is no cgroup `{path}` | give a directory below `/sys/fs/cgroup`, or what `cat /proc/PID/cgroup` shows after `0::`"
        )
    };
    let found = "a.slice/b.service (cgroup /a.slice/b.service)";
    for (path, expected) in [
        ("/sys/fs/cgroup/a.slice/b.service", found.to_owned()),
        ("/a.slice/b.service", found.to_owned()),
        ("a.slice/b.service", found.to_owned()),
        ("a.slice/c.service", missing("a.slice/c.service")),
        ("/no-cgroup", missing("/no-cgroup")),
        ("../a.slice", missing("../a.slice")),
        ("/sys/fs/cgroup/../cgroup/a.slice", missing("/sys/fs/cgroup/../cgroup/a.slice")),
    ] {
        assert_eq!(tree.show(tree.host().cgroup(Path::new(path))), expected, "{path}");
    }
}

#[test]
fn a_v1_path_is_refused_and_the_hybrid_mount_is_used() {
    let tree = Tree::new(true);
    tree.cgroup("unified/x");
    tree.cgroup("systemd/x");
    assert_eq!(tree.show(tree.host().cgroup(Path::new("/x"))), "unified/x (cgroup /x)");
    assert_eq!(
        tree.show(tree.host().cgroup(Path::new("/sys/fs/cgroup/systemd/x"))),
        "`/sys/fs/cgroup/systemd/x` is in a cgroup v1 hierarchy; only cgroup2 can be observed | \
         give its processes instead: `--pid`, with the numbers in its cgroup.procs file"
    );
}

#[test]
fn without_cgroup2_the_error_says_so() {
    let tree = Tree(tempfile::tempdir().unwrap());
    tree.file("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n");
    assert!(matches!(tree.host().cgroup(Path::new("/x")), Err(TargetError::NoCgroup2)));
    assert!(matches!(tree.host().unit("x"), Err(TargetError::NoCgroup2)));
    assert!(matches!(tree.host().container("x"), Err(TargetError::NoCgroup2)));
}

#[test]
fn units_of_the_system_and_of_users_are_found() {
    let tree = Tree::new(false);
    tree.cgroup("system.slice/nginx.service/worker");
    tree.cgroup("system.slice/system-getty.slice/getty@tty1.service");
    tree.cgroup("system.slice/_cgroup.service");
    tree.cgroup("user.slice/user-1000.slice/user@1000.service/app.slice/editor.service");
    tree.cgroup("system.slice/twice.service");
    tree.cgroup("user.slice/user-1000.slice/user@1000.service/app.slice/twice.service");
    for (name, expected) in [
        ("nginx", "system.slice/nginx.service (unit nginx.service)"),
        ("nginx.service", "system.slice/nginx.service (unit nginx.service)"),
        ("getty@tty1", "system.slice/system-getty.slice/getty@tty1.service (unit getty@tty1.service)"),
        ("cgroup", "system.slice/_cgroup.service (unit cgroup.service)"),
        (
            "editor",
            "user.slice/user-1000.slice/user@1000.service/app.slice/editor.service (unit editor.service)",
        ),
        ("system.slice", "system.slice (unit system.slice)"),
        (
            "twice",
            "twice.service is not one unit but 2: /system.slice/twice.service, \
             /user.slice/user-1000.slice/user@1000.service/app.slice/twice.service | \
             give one of these paths to `--cgroup`",
        ),
        (
            "absent",
            "no running unit absent.service was found | `systemctl status absent.service` says whether it \
             runs, and `systemctl show -P ControlGroup absent.service` gives a path for `--cgroup`",
        ),
    ] {
        assert_eq!(tree.show(tree.host().unit(name)), expected, "{name}");
    }
}

#[test]
fn a_unit_or_container_in_v1_only_names_its_processes() {
    let tree = Tree::new(true);
    tree.cgroup("unified");
    tree.file("proc/40/cgroup", "1:name=systemd:/system.slice/nginx.service\n0::/\n");
    tree.file("proc/41/cgroup", "1:name=systemd:/system.slice/nginx.service\n0::/\n");
    tree.file("proc/42/cgroup", &format!("4:memory:/docker/{ID}\n0::/\n"));
    assert_eq!(
        tree.show(tree.host().unit("nginx")),
        "nginx.service is in cgroup v1 hierarchies only; only cgroup2 can be observed | \
         attach to its processes instead: `--pid 40,41`"
    );
    assert_eq!(
        tree.show(tree.host().container("0123456")),
        "container 0123456 is in cgroup v1 hierarchies only; only cgroup2 can be observed | \
         attach to its processes instead: `--pid 42`"
    );
}

#[test]
fn containers_are_found_by_id_prefix_and_name() {
    let tree = Tree::new(false);
    tree.cgroup(&format!("system.slice/docker-{ID}.scope/init"));
    tree.cgroup(&format!("machine.slice/libpod-{OTHER}.scope/container"));
    tree.cgroup(&format!("machine.slice/libpod-conmon-{OTHER}.scope"));
    tree.cgroup("default/redis1");
    tree.file(&format!("var/lib/docker/containers/{ID}/config.v2.json"), "{\"Name\":\"/web\",\"X\":1}");
    tree.file("var/lib/docker/containers/broken/config.v2.json", "{");
    tree.file(
        "var/lib/containers/storage/overlay-containers/containers.json",
        &format!("[{{\"id\":\"{OTHER}\",\"names\":[\"beef\",\"db\"]}},{{\"id\":\"x\",\"names\":null}}]"),
    );
    let docker = format!("system.slice/docker-{ID}.scope (container 0123456789ab)");
    let podman = format!("machine.slice/libpod-{OTHER}.scope (container 012399999999)");
    let none = |wanted: &str| {
        format!(
            "no running container {wanted} was found | give the id that `docker ps`, `podman ps` or `crictl ps` \
             shows, or a name; a stopped container has nothing to observe"
        )
    };
    for (wanted, expected) in [
        (ID, docker.clone()),
        ("012345", docker.clone()),
        ("web", docker),
        ("01239", podman.clone()),
        ("db", podman.clone()),
        // A name that could be an id.
        ("beef", podman),
        ("redis1", "default/redis1 (container redis1)".to_owned()),
        (
            "0123",
            format!(
                "0123 is not one container but 2: {ID} (web), {OTHER} (beef db) | give more digits of the id, or its cgroup's \
                 path to `--cgroup`"
            ),
        ),
        (
            "012",
            "no running container is called 012, and an id needs at least 4 digits | give more digits of the id that \
             `docker ps`, `podman ps` or `crictl ps` shows"
                .to_owned(),
        ),
        ("xyz", none("xyz")),
        ("feed", none("feed")),
        ("", none("")),
        ("\u{1b}[2J", none("\\x1b[2J")),
    ] {
        assert_eq!(tree.show(tree.host().container(wanted)), expected, "{wanted}");
    }
}

#[test]
fn containers_in_containers_are_found() {
    let tree = Tree::new(false);
    tree.cgroup(&format!("system.slice/docker-{ID}.scope/kubelet/pod1/cri-containerd-{OTHER}.scope"));
    tree.cgroup(&format!("system.slice/docker-{ID}.scope/docker/{ID}"));
    let outer = format!("system.slice/docker-{ID}.scope");
    assert_eq!(tree.show(tree.host().container(ID)), format!("{outer} (container 0123456789ab)"));
    assert_eq!(
        tree.show(tree.host().container(OTHER)),
        format!("{outer}/kubelet/pod1/cri-containerd-{OTHER}.scope (container 012399999999)")
    );
}

#[test]
fn kubernetes_and_nerdctl_names_are_read() {
    let tree = Tree::new(false);
    tree.cgroup(&format!("kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"));
    tree.cgroup(&format!("system.slice/nerdctl-{OTHER}.scope"));
    tree.file(
        &format!("run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json"),
        "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"app\"}}",
    );
    tree.file("var/lib/nerdctl/1935db59/names/default/job", &format!("{OTHER}\n"));
    assert_eq!(
        tree.show(tree.host().container("app")),
        format!("kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope (container 0123456789ab)")
    );
    assert_eq!(
        tree.show(tree.host().container("job")),
        format!("system.slice/nerdctl-{OTHER}.scope (container 012399999999)")
    );
}

#[test]
fn processes_must_be_there_and_be_processes() {
    let tree = Tree::new(false);
    tree.file("proc/7/status", "Name:\tx\nTgid:\t7\nPid:\t7\n");
    tree.file("proc/8/status", "Name:\tx\nTgid:\t7\nPid:\t8\n");
    for (pids, expected) in [
        (&[7, 7][..], "[7]"),
        (&[7, 8], "8 is a thread of process 7, not a process | attach to the whole process: `--pid 7`"),
        (
            &[9],
            "there is no process 9 | `pgrep -a NAME` lists processes; in a container the numbers are other ones",
        ),
    ] {
        assert_eq!(tree.show(tree.host().processes(pids)), expected);
    }
}

#[test]
fn this_host_has_us() {
    let found = Host::here().processes(&[std::process::id()]).unwrap();
    assert_eq!(found.describe(), format!("pid {}", std::process::id()));
}
