//! A real systemd confines a service, and what it refuses is told with the unit.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Gate, Watching, caller, can_watch, is_root};
use testkit::expect::skip;
use testkit::mounts::why_no_mounts;

/// The manager, where distributions put it.
const SYSTEMD: &str = "/usr/lib/systemd/systemd";

const COUNT: u64 = 4;

/// What systemd refuses and has logged (systemd.exec(5)).
const CONFINED: &str = "\
SystemCallFilter=~sched_getparam:EACCES sched_rr_get_interval:kill get_robust_list
SystemCallErrorNumber=EPERM
SystemCallLog=sched_get_priority_min
";

#[test]
fn what_systemd_refuses_is_told_with_its_unit() {
    if !Path::new(SYSTEMD).exists() {
        return skip("systemd", "there is no systemd");
    }
    if !is_root() {
        return skip("root", "namespaces for systemd are made by root");
    }
    if let Some(why) = why_no_mounts() {
        return skip("systemd", &format!("it cannot be started in namespaces: {why}"));
    }
    let Some(busybox) = busybox() else {
        return skip("busybox", "there is no static busybox in PATH");
    };
    if !can_watch() {
        return;
    }
    let Some(caller) = caller() else { return };
    let host = host(caller);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/boot-systemd");
    let words = [script.as_path(), Path::new("/usr"), host.path(), &busybox];
    let mut gate = Gate::around(&words.map(|word| word.to_str().unwrap()));
    let watching = Watching::start(&["--pid", &gate.pid().to_string(), "--format", "json"]);
    let (_, told) = watching.over(&mut gate, COUNT);
    assert_eq!(fs::read_to_string(host.path().join("left")).unwrap_or_default(), "ran\n", "{told:?}");
    told.assert_calls(
        "systemd",
        &[
            ("sched_get_priority_min", "logged", COUNT),
            ("sched_getparam", "errno EACCES by filter", COUNT),
            ("sched_rr_get_interval", "kill-process by filter", COUNT),
            ("get_robust_list", "errno EPERM by filter", COUNT),
        ],
    );
    for event in told.of_kind("denial") {
        assert_eq!(event["unit"], "watched.service", "{event}");
        assert_eq!(event["process"]["image"], "/caller", "{event}");
        assert!(event["doubt"].is_null(), "{event}");
    }
}

/// A root for systemd, with one service that makes the calls and one that ends it all.
fn host(caller: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let units = path("etc/systemd/system");
    fs::create_dir_all(&units).unwrap();
    fs::write(path("etc/passwd"), "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n").unwrap();
    fs::write(path("etc/group"), "root:x:0:\nnogroup:x:65534:\n").unwrap();
    fs::write(path("etc/machine-id"), "").unwrap();
    symlink("/proc/self/mounts", path("etc/mtab")).unwrap();
    fs::copy(caller, path("caller")).unwrap();
    let service = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n";
    let watched = format!("{service}{CONFINED}ExecStart=/caller {COUNT}\n");
    let off = "[Unit]\nDefaultDependencies=no\nAfter=watched.service\nSuccessAction=poweroff-force\n\
               FailureAction=poweroff-force\n[Service]\nType=oneshot\n\
               ExecStart=/busybox sh -c '/busybox echo ran > /left'\n";
    let target = "[Unit]\nDefaultDependencies=no\nWants=watched.service off.service\nAfter=watched.service\n";
    for (name, text) in
        [("watched.service", watched.as_str()), ("off.service", off), ("default.target", target)]
    {
        fs::write(units.join(name), text).unwrap();
    }
    folder
}

/// A busybox that needs no loader.
fn busybox() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]);
    let found = folders.map(|folder| Path::new(folder).join("busybox")).find(|program| program.is_file())?;
    let headers = Command::new("readelf").arg("--program-headers").arg(&found).output().ok()?;
    (headers.status.success() && !String::from_utf8_lossy(&headers.stdout).contains("INTERP"))
        .then_some(found)
}
