//! Units of every kind, recorded by `profile run --unit`: under the drop-in that follows they start, reload, restart and
//! stop.

use std::fmt::Write as _;
use std::path::Path;

use testkit::bpf;
use testkit::systemd::Host;

use crate::workload::SANDPRINT;

const GUIDE: &str = include_str!("../../../../../docs/guide/src/recording.md");

/// A kind of unit.
struct Kind {
    /// What it is, in the guide's table.
    words: &'static str,
    /// What it is asked for by.
    unit: &'static str,
    /// Where the drop-in goes.
    confined: &'static str,
    /// Its section, and those that go with it.
    text: &'static str,
    reloads: bool,
    /// What is done with it once it runs: see `drive.sh`.
    used: &'static str,
}

const fn service(words: &'static str, unit: &'static str, text: &'static str) -> Kind {
    Kind { words, unit, confined: unit, text, reloads: false, used: "-" }
}

const fn reloading(words: &'static str, unit: &'static str, text: &'static str) -> Kind {
    Kind { reloads: true, ..service(words, unit, text) }
}

const KINDS: [Kind; 13] = [
    service("`Type=simple`", "simple.service", "ExecStart=/service simple\n"),
    service("`Type=exec`", "exec.service", "Type=exec\nExecStart=/service simple\n"),
    service(
        "`Type=forking`, with a `PIDFile=`",
        "forking.service",
        "Type=forking\nPIDFile=/run/forking.pid\nExecStart=/service behind /run/forking.pid\n",
    ),
    service(
        "`Type=oneshot`, with two `ExecStart=`",
        "oneshot.service",
        "Type=oneshot\nExecStart=/busybox uname -a\nExecStart=/service once /left/oneshot.service.ran\n",
    ),
    service("`Type=notify`", "notify.service", "Type=notify\nExecStart=/service notify\n"),
    reloading(
        "`Type=notify`, with two `ExecReload=`",
        "notify-reload.service",
        "Type=notify\nExecStart=/service notify\nExecReload=/busybox touch /run/reloaded\n\
         ExecReload=/busybox kill -HUP $MAINPID\n",
    ),
    reloading(
        "`Type=simple`, with `ExecReload=`",
        "simple-reload.service",
        "ExecStart=/service simple\nExecReload=/busybox sh -c 'kill -HUP $MAINPID; uname -a'\n",
    ),
    Kind {
        words: "activated by its socket",
        unit: "activated.socket",
        confined: "activated.service",
        text: "ExecStart=/service socket\n",
        reloads: false,
        used: "/run/activated.sock",
    },
    Kind {
        words: "a socket with `Accept=yes`",
        unit: "each.socket",
        confined: "each@.service",
        text: "ExecStart=/service connection\nStandardInput=socket\n",
        reloads: false,
        used: "/run/each.sock",
    },
    service(
        "`DynamicUser=yes`",
        "dynamic.service",
        "DynamicUser=yes\nStateDirectory=dynamic\nExecStartPre=/busybox touch /var/lib/dynamic/here\n\
         ExecStart=/service simple\n",
    ),
    service(
        "`User=`, with `ExecStartPre=`, `ExecStop=` and `ExecStopPost=`",
        "user.service",
        "User=nobody\nGroup=nogroup\nRuntimeDirectory=user\nExecStartPre=/service once /run/user/made\n\
         ExecStart=/service simple\nExecStop=/busybox sh -c 'kill -TERM $MAINPID'\n\
         ExecStopPost=/busybox rmdir /run/user/made\n",
    ),
    Kind {
        used: "kill",
        ..service(
            "`Restart=always`, restarted after its end",
            "always.service",
            "Restart=always\nRestartSec=100ms\nExecStart=/service simple\n",
        )
    },
    service(
        "threads under `RestrictNamespaces=yes`",
        "threads.service",
        "Type=notify\nRestrictNamespaces=yes\nExecStart=/service threads\n",
    ),
];

#[test]
fn units_of_every_kind_live_under_the_drop_in_of_their_recording() {
    let Some(host) = Host::new() else { return };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consumers/systemd/service.c");
    if !bpf::can_load() || !host.can_build(&source, "service", &["-pthread"]) {
        return;
    }
    host.install(SANDPRINT, "sandprint");
    let mut rows = String::new();
    for Kind { unit, confined, text, reloads, used, .. } in &KINDS {
        host.unit(confined, &format!("[Service]\n{text}"));
        if let Some(name) = unit.strip_suffix(".socket") {
            let accept = if confined.contains('@') { "yes" } else { "no" };
            host.unit(unit, &format!("[Socket]\nListenStream=/run/{name}.sock\nAccept={accept}\n"));
        }
        writeln!(rows, "{unit} {confined} {} {used}", if *reloads { "yes" } else { "no" }).expect("it fits");
    }
    host.write("kinds", &rows);
    let booted = host.run_script(include_str!("drive.sh"), 400);
    let table = host.left("table").unwrap_or_default();
    let log = |kind: &Kind| Some(format!("== {}\n{}", kind.unit, host.left(&format!("{}.log", kind.unit))?));
    let logs: Vec<String> = KINDS.iter().filter_map(log).collect();
    let context = format!("{booted}\n{}\n{}", host.left("log").unwrap_or_default(), logs.join("\n"));
    let went_well =
        |kind: &Kind| format!("{}\tyes\t{}\tyes\tyes", kind.unit, if kind.reloads { "yes" } else { "-" });
    let expected: Vec<String> = KINDS.iter().map(went_well).collect();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows, expected, "{context}");
    // The guide says what was seen.
    let seen: Vec<String> = KINDS.iter().zip(rows).map(|(kind, row)| in_guide(kind, row)).collect();
    let told =
        GUIDE.split_once("| kind | start | reload | restart | stop |\n| --- | --- | --- | --- | --- |\n");
    let told = told.and_then(|(_, after)| after.split("\n\n").next()).unwrap_or_default();
    assert_eq!(told, seen.join("\n"), "the table in docs/guide/src/recording.md");
}

/// A kind's row in the guide's table.
fn in_guide(kind: &Kind, row: &str) -> String {
    let cells: Vec<&str> = row.split('\t').skip(1).collect();
    format!("| {} | {} |", kind.words, cells.join(" | "))
}
