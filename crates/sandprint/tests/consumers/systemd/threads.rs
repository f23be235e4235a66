//! A threaded program under its drop-in, where another filter of systemd refuses the call that it starts threads with.
//!
//! `RestrictNamespaces=` answers every clone3 with ENOSYS, since its flags are in memory. A C library then uses clone,
//! which no recording without that setting has.

use std::path::Path;

use testkit::shell::run;
use testkit::systemd::Host;

use crate::workload::recorded;

/// The services: name, further lines, whether the drop-in is there, and allows clone.
const SERVICES: &[(&str, &str, Option<bool>)] = &[
    ("free", "", None),
    ("free-restricted", "RestrictNamespaces=yes\n", None),
    ("confined", "", Some(true)),
    ("confined-restricted", "RestrictNamespaces=yes\n", Some(true)),
    ("cloneless", "", Some(false)),
    ("cloneless-restricted", "RestrictNamespaces=yes\n", Some(false)),
];

#[test]
fn threads_start_where_restrict_namespaces_refuses_clone3() {
    let Some(host) = Host::new() else { return };
    let Some(workload) = recorded() else { return };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consumers/systemd/threads.c");
    if !host.can_build(&source, "threads", &["-D_GNU_SOURCE", "-pthread"]) {
        return;
    }
    let mut record = workload.command(&["profile", "run", "-o", "threads.json", "--"]);
    let seen = run(record.arg(host.path("threads")));
    assert_eq!(seen.stdout, "clone3: EINVAL\nall ran\n", "{seen}");

    let generate = ["profile", "generate", "-f", "systemd", "--runtime", "systemd", "threads.json"];
    let ended = run(&mut workload.command(&generate));
    assert!(ended.status.success(), "{ended}");
    let whole = ended.stdout;
    let cloneless = without(&whole, "clone");
    for (name, lines, with) in SERVICES {
        let unit = format!("{name}.service");
        host.unit(
            &unit,
            &format!(
                "[Service]\nType=oneshot\n{lines}ExecStart=/threads\n\
                 StandardOutput=file:/left/{name}\nStandardError=file:/left/{name}\n"
            ),
        );
        if let Some(allows_clone) = with {
            host.drop_in(&unit, if *allows_clone { &whole } else { &cloneless });
        }
    }
    let units: Vec<String> = SERVICES.iter().map(|(name, ..)| format!("{name}.service")).collect();
    let boot = host.run(&units);
    for (name, expected) in [
        ("free", "clone3: EINVAL\nall ran\n"),
        ("free-restricted", "clone3: ENOSYS\nall ran\n"),
        ("confined", "clone3: EINVAL\nall ran\n"),
        ("confined-restricted", "clone3: ENOSYS\nall ran\n"),
        ("cloneless", "clone3: EINVAL\nall ran\n"),
        // The way back is what makes the others pass.
        ("cloneless-restricted", "clone3: ENOSYS\npthread_create: EPERM\n"),
    ] {
        let left = host.left(name).unwrap_or_default();
        assert_eq!(left, expected, "{name}: {boot}\n{whole}");
    }
}

/// The drop-in without a call that it allows.
fn without(drop_in: &str, call: &str) -> String {
    let line = |line: &str| match line.strip_prefix("SystemCallFilter=") {
        Some(words) if !words.starts_with('~') => {
            let kept: Vec<&str> = words.split(' ').filter(|word| *word != call).collect();
            format!("SystemCallFilter={}\n", kept.join(" "))
        }
        _ => format!("{line}\n"),
    };
    let text: String = drop_in.lines().map(line).collect();
    assert_eq!(text.len() + call.len() + 1, drop_in.len(), "it was there once: {drop_in}");
    text
}
