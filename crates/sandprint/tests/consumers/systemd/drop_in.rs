//! systemd runs the recorded workload as a service with the drop-in, and refuses it another call.

use std::fs;

use testkit::systemd::Host;

use crate::workload::{LISTED, Workload, recorded};

/// The services of the test: name, command, and whether the drop-in is there.
const SERVICES: &[(&str, &str, bool)] = &[
    ("lists", "@/root/bin/busybox ls /root/list", true),
    ("lists-unprivileged", "@/root/bin/busybox ls /root/list", true),
    ("makes", "@/root/bin/busybox mkdir /tmp/made", true),
    ("makes-without", "@/root/bin/busybox mkdir /tmp/made-without", false),
];

#[test]
fn systemd_runs_the_service_under_the_drop_in_and_refuses_another() {
    let Some(host) = Host::new() else { return };
    let Some(workload) = recorded() else { return };
    let drop_in = workload.profile("systemd", &["--runtime", "systemd"]);
    assert!(drop_in.contains("\nSystemCallFilter="), "an allow-list: {drop_in}");
    let ended = host.run(&add_services(&host, workload, &drop_in));
    let context = format!("{ended}\n{drop_in}");
    let left = |service: &str, what: &str| {
        host.left(&format!("{service}-{what}")).unwrap_or_else(|| panic!("{what} {context}"))
    };

    for service in ["lists", "lists-unprivileged"] {
        assert_eq!(
            (left(service, "result"), left(service, "stdout")),
            ("success\n".into(), LISTED.into()),
            "{context}"
        );
    }
    assert_eq!(left("makes", "result"), "exit-code\n", "{context}");
    assert!(
        left("makes", "stderr").contains("can't create directory '/tmp/made': Operation not permitted"),
        "{} {context}",
        left("makes", "stderr")
    );
    // Nothing but the drop-in stood in its way.
    assert_eq!(left("makes-without", "result"), "success\n", "{context}");
}

/// Adds the services, with what they need; gives their names.
fn add_services(host: &Host, workload: &Workload, drop_in: &str) -> Vec<String> {
    for folder in ["root/bin", "root/list"] {
        fs::create_dir_all(host.path(folder)).expect("the folder is ours");
    }
    host.install(workload.root().join("bin/busybox"), "root/bin/busybox");
    for name in LISTED.lines() {
        host.write(&format!("root/list/{name}"), "");
    }
    let add = |(service, command, has_drop_in): &(&str, &str, bool)| {
        let unit = format!("{service}.service");
        let (name, words) = command.split_once(' ').expect("a program and its arguments");
        // The program is called busybox by its file and after its applet by its first argument.
        let (applet, arguments) = words.split_once(' ').expect("an applet and its arguments");
        let user = if service.ends_with("unprivileged") { "User=nobody\nGroup=nogroup\n" } else { "" };
        // What comes of it is written with full rights (+), and so without the drop-in.
        host.unit(
            &unit,
            &format!(
                "[Service]\nType=oneshot\n{user}ExecStart={name} {applet} {arguments}\n\
                 StandardOutput=file:/left/{service}-stdout\nStandardError=file:/left/{service}-stderr\n\
                 ExecStopPost=+/busybox sh -c 'echo $SERVICE_RESULT > /left/{service}-result'\n"
            ),
        );
        if *has_drop_in {
            host.drop_in(&unit, drop_in);
        }
        unit
    };
    SERVICES.iter().map(add).collect()
}
