//! A real systemd runs the recorded workload as a service with the drop-in, and refuses it another call.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::expect::skip;
use crate::shell::{Ended, find, is_root, run};
use crate::workload::{LISTED, Workload, recorded};

/// The manager, where distributions put it.
const SYSTEMD: &str = "/usr/lib/systemd/systemd";

/// The services of the test: name, command, and whether the drop-in is there.
const SERVICES: &[(&str, &str, bool)] = &[
    ("lists", "@/root/bin/busybox ls /root/list", true),
    ("lists-unprivileged", "@/root/bin/busybox ls /root/list", true),
    ("makes", "@/root/bin/busybox mkdir /tmp/made", true),
    ("makes-without", "@/root/bin/busybox mkdir /tmp/made-without", false),
];

#[test]
fn systemd_runs_the_service_under_the_drop_in_and_refuses_another() {
    if !Path::new(SYSTEMD).exists() {
        return skip("systemd", "there is no systemd");
    }
    if !is_root() {
        return skip("root", "namespaces for systemd are made by root");
    }
    if find("unshare").is_none() {
        return skip("systemd", "there is no unshare, of util-linux, to start it in namespaces");
    }
    let Some(workload) = recorded() else { return };
    let drop_in = workload.profile("systemd", &["--runtime", "systemd"]);
    assert!(drop_in.contains("\nSystemCallFilter="), "an allow-list: {drop_in}");
    let host = Host::new(workload, &drop_in);
    let ended = host.boot();
    let context = format!("{ended}\n{drop_in}");
    let left =
        |service: &str, what: &str| host.left(service, what).unwrap_or_else(|| panic!("{what} {context}"));

    for service in ["lists", "lists-unprivileged"] {
        assert_eq!(
            (left(service, "result"), left(service, "stdout")),
            ("ok\n".into(), LISTED.into()),
            "{context}"
        );
    }
    assert_eq!(left("makes", "result"), "failed\n", "{context}");
    assert!(
        left("makes", "stderr").contains("can't create directory '/tmp/made': Operation not permitted"),
        "{} {context}",
        left("makes", "stderr")
    );
    // Nothing but the drop-in stood in its way.
    assert_eq!(left("makes-without", "result"), "ok\n", "{context}");
}

/// A root for systemd: its units, and the folder where they leave what came of them.
struct Host<'w> {
    folder: tempfile::TempDir,
    workload: &'w Workload,
}

impl<'w> Host<'w> {
    fn new(workload: &'w Workload, drop_in: &str) -> Self {
        let host = Host { folder: tempfile::tempdir().expect("a temporary folder"), workload };
        let units = host.path("etc/systemd/system");
        fs::create_dir_all(&units).expect("the folder is ours");
        fs::create_dir_all(host.path("left")).expect("the folder is ours");
        let write =
            |name: String, text: String| fs::write(units.join(name), text).expect("the folder is ours");
        fs::write(host.path("etc/passwd"), "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
            .unwrap();
        fs::write(host.path("etc/group"), "root:x:0:\nnogroup:x:65534:\n").unwrap();
        fs::write(host.path("etc/machine-id"), "").unwrap();

        let mut everyone = Vec::new();
        for (service, command, has_drop_in) in SERVICES {
            let (name, words) = command.split_once(' ').expect("a program and its arguments");
            // The program is called busybox by its file and after its applet by its first argument.
            let (applet, arguments) = words.split_once(' ').expect("an applet and its arguments");
            let user = if service.ends_with("unprivileged") { "User=nobody\nGroup=nogroup\n" } else { "" };
            write(
                format!("{service}.service"),
                format!(
                    "[Unit]\nDefaultDependencies=no\nOnSuccess={service}-ok.service\n\
                     OnFailure={service}-failed.service\n[Service]\nType=oneshot\n{user}\
                     ExecStart={name} {applet} {arguments}\n\
                     StandardOutput=file:/left/{service}-stdout\nStandardError=file:/left/{service}-stderr\n"
                ),
            );
            for result in ["ok", "failed"] {
                write(
                    format!("{service}-{result}.service"),
                    format!(
                        "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n\
                         ExecStart=/busybox sh -c 'echo {result} > /left/{service}-result'\n"
                    ),
                );
            }
            if *has_drop_in {
                let folder = units.join(format!("{service}.service.d"));
                fs::create_dir_all(&folder).expect("the folder is ours");
                fs::write(folder.join("seccomp.conf"), drop_in).expect("the folder is ours");
            }
            everyone.push(format!("{service}.service"));
        }
        let everyone = everyone.join(" ");
        write(
            "default.target".into(),
            format!("[Unit]\nDefaultDependencies=no\nWants={everyone} off.service\nAfter={everyone}\n"),
        );
        // The last one waits for what the others have started.
        write(
            "off.service".into(),
            "[Unit]\nDefaultDependencies=no\nSuccessAction=poweroff-force\nFailureAction=poweroff-force\n\
             [Service]\nType=oneshot\nExecStart=/busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9; do \
             set -- /left/*-result; [ $# -ge COUNT ] && exit 0; /busybox sleep 1; done'\n"
                .replace("COUNT", &SERVICES.len().to_string()),
        );
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Boots systemd until it powers off.
    fn boot(&self) -> Ended {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/boot-systemd");
        let root = self.workload.root();
        let place = self.path("root");
        fs::create_dir_all(place.join("bin")).expect("the folder is ours");
        fs::create_dir_all(place.join("list")).expect("the folder is ours");
        fs::copy(root.join("bin/busybox"), place.join("bin/busybox")).expect("busybox can be copied");
        for name in LISTED.lines() {
            fs::write(place.join("list").join(name), "").expect("the folder is ours");
        }
        symlink("/proc/self/mounts", self.path("etc/mtab")).expect("the folder is ours");
        let mut command = Command::new(script);
        command.arg("/usr").arg(self.folder.path()).arg(root.join("bin/busybox"));
        run(&mut command)
    }

    fn left(&self, service: &str, what: &str) -> Option<String> {
        fs::read_to_string(self.path("left").join(format!("{service}-{what}"))).ok()
    }
}
