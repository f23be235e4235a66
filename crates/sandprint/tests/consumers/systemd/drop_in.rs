//! systemd runs the recorded workload as a service with the drop-in, and refuses it another call.

use std::fs;

use super::host::{self, Host};
use crate::workload::{LISTED, Workload, recorded};
use testkit::shell::run;

/// The services of the test: name, command, and whether the drop-in is there.
const SERVICES: &[(&str, &str, bool)] = &[
    ("lists", "@/root/bin/busybox ls /root/list", true),
    ("lists-unprivileged", "@/root/bin/busybox ls /root/list", true),
    ("makes", "@/root/bin/busybox mkdir /tmp/made", true),
    ("makes-without", "@/root/bin/busybox mkdir /tmp/made-without", false),
];

#[test]
fn systemd_runs_the_service_under_the_drop_in_and_refuses_another() {
    if !host::can_boot() {
        return;
    }
    let Some(workload) = recorded() else { return };
    let drop_in = workload.profile("systemd", &["--runtime", "systemd"]);
    assert!(drop_in.contains("\nSystemCallFilter="), "an allow-list: {drop_in}");
    let host = with_services(workload, &drop_in);
    let ended = run(&mut host.boot());
    let context = format!("{ended}\n{drop_in}");
    let left = |service: &str, what: &str| {
        host.left(&format!("{service}-{what}")).unwrap_or_else(|| panic!("{what} {context}"))
    };

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

fn with_services(workload: &Workload, drop_in: &str) -> Host {
    let host = Host::new(workload.root().join("bin/busybox"));
    let place = host.path("root");
    fs::create_dir_all(place.join("bin")).expect("the folder is ours");
    fs::create_dir_all(place.join("list")).expect("the folder is ours");
    fs::copy(workload.root().join("bin/busybox"), place.join("bin/busybox")).expect("busybox can be copied");
    for name in LISTED.lines() {
        fs::write(place.join("list").join(name), "").expect("the folder is ours");
    }

    let mut everyone = Vec::new();
    for (service, command, has_drop_in) in SERVICES {
        let (name, words) = command.split_once(' ').expect("a program and its arguments");
        // The program is called busybox by its file and after its applet by its first argument.
        let (applet, arguments) = words.split_once(' ').expect("an applet and its arguments");
        let user = if service.ends_with("unprivileged") { "User=nobody\nGroup=nogroup\n" } else { "" };
        host.unit(
            &format!("{service}.service"),
            &format!(
                "[Unit]\nDefaultDependencies=no\nOnSuccess={service}-ok.service\n\
                 OnFailure={service}-failed.service\n[Service]\nType=oneshot\n{user}\
                 ExecStart={name} {applet} {arguments}\n\
                 StandardOutput=file:/left/{service}-stdout\nStandardError=file:/left/{service}-stderr\n"
            ),
        );
        for result in ["ok", "failed"] {
            host.unit(
                &format!("{service}-{result}.service"),
                &format!(
                    "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n\
                     ExecStart=/busybox sh -c 'echo {result} > /left/{service}-result'\n"
                ),
            );
        }
        if *has_drop_in {
            let folder = host.units().join(format!("{service}.service.d"));
            fs::create_dir_all(&folder).expect("the folder is ours");
            fs::write(folder.join("seccomp.conf"), drop_in).expect("the folder is ours");
        }
        everyone.push(format!("{service}.service"));
    }
    let everyone = everyone.join(" ");
    host.unit(
        "default.target",
        &format!("[Unit]\nDefaultDependencies=no\nWants={everyone} off.service\nAfter={everyone}\n"),
    );
    // The last one waits for what the others have started.
    host.unit(
        "off.service",
        &"[Unit]\nDefaultDependencies=no\nSuccessAction=poweroff-force\nFailureAction=poweroff-force\n\
          [Service]\nType=oneshot\nExecStart=/busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9; do \
          set -- /left/*-result; [ $# -ge COUNT ] && exit 0; /busybox sleep 1; done'\n"
            .replace("COUNT", &SERVICES.len().to_string()),
    );
    host
}
