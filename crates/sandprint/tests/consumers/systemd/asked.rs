//! What `profile run --unit`, and `attach` and `watch` of a unit, make of what they are asked for; and how they leave it.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;

use testkit::bpf;
use testkit::systemd::Host;

use crate::workload::SANDPRINT;

/// Units, by the name of their file.
const UNITS: &[(&str, &str)] = &[
    ("good.service", "[Service]\nExecStart=/busybox sleep 1000\n"),
    ("ran.service", "[Service]\nExecStart=/busybox sleep 1000\nExecStop=/busybox uname\n"),
    ("filtered.service", "[Service]\nExecStart=/busybox sleep 1000\nSystemCallFilter=~mount\n"),
    ("bad.service", "[Service]\nType=notify\nExecStart=/busybox sh -c 'uname; exit 3'\n"),
    ("dies.service", "[Service]\nExecStart=/busybox sh -c 'uname; exit 3'\n"),
    ("slow.service", "[Service]\nType=notify\nExecStart=/busybox sleep 1000\n"),
    ("broken.service", "[Service]\nType=nonsense\n"),
    ("refusing.service", "[Unit]\nRefuseManualStart=yes\n[Service]\nExecStart=/busybox true\n"),
    ("late.timer", "[Timer]\nOnBootSec=1h\n"),
    ("late.service", "[Service]\nExecStart=/busybox true\n"),
];

/// A script and its exit status, and what it is to print, each on the way to the next.
type Case = (&'static str, i32, &'static [&'static str]);

/// `run` is `profile run`, `show` `profile show`; `printed WORDS` waits for these; `behind` has it run
/// beside the script, until `int` sends it SIGINT.
const CASES: &[Case] = &[
    ("run --unit nosuch", 125, &["error: there is no unit nosuch.service\n", "hint: "]),
    ("run --unit 'go*'", 125, &["error: `go*` is no name of a unit\n", "hint: "]),
    ("run --unit masked", 125, &["error: the unit masked.service is masked\n", "hint: `systemctl unmask"]),
    (
        "run --unit broken",
        125,
        &["error: systemd cannot load the unit broken.service: bad-setting\n", "hint: "],
    ),
    ("run --unit late.timer", 125, &["error: late.timer is neither a service nor a socket\n", "hint: "]),
    ("run --unit good@.service", 125, &["error: good@.service is a template", "hint: "]),
    (
        "PATH=/ /sandprint profile run --unit good",
        125,
        &["error: failed to run systemctl: No such file", "hint: systemd must be installed"],
    ),
    (
        "setpriv --reuid=65534 --clear-groups /sandprint profile run --unit good",
        125,
        &[
            "error: failed to ask systemd: ",
            "hint: systemd must run here",
            "this user must be allowed to ask it",
        ],
    ),
    (
        "setpriv --bounding-set=-all /sandprint profile run --unit good; s=$?; systemctl is-active good; exit $s",
        125,
        &["CAP_BPF and CAP_PERFMON are missing", "hint: use sudo", "inactive\n"],
    ),
    (
        "run --unit refusing",
        1,
        &["error: failed to restart refusing.service: Operation refused", "hint: `systemctl status"],
    ),
    (
        "run --unit bad -o /left/bad.json; s=$?; show /left/bad.json; exit $s",
        1,
        &[
            "Trace written to `/left/bad.json`.\n",
            "error: failed to restart bad.service: Job for bad.service failed because the control process exited",
            "hint: `systemctl status bad.service`",
            "uname",
        ],
    ),
    (
        "behind run --unit dies -o /left/dies.json; until_state dies failed; int; wait $pid; s=$?; \
         show /left/dies.json; exit $s",
        1,
        &["Trace written to `/left/dies.json`.\n", "error: dies.service has failed: exit-code\n", "uname"],
    ),
    (
        "behind run --unit slow -o /left/slow.json; until_state slow activating; printed 'has begun'; int; wait $pid; s=$?; \
         systemctl is-active slow; exit $s",
        0,
        &["slow.service was stopped again, as it was found\n", "Trace written to", "inactive\n"],
    ),
    (
        "behind run --unit good --reload -o /left/reloads.json; until_state good active; int; wait $pid; s=$?; \
         systemctl is-active good; exit $s",
        1,
        &["error: failed to reload good.service: Job type reload is not applicable", "inactive\n"],
    ),
    (
        "run --unit good --duration 200ms -q; systemctl is-active good; systemctl show -P Result good",
        0,
        &["inactive\n", "success\n"],
    ),
    (
        "systemctl start ran; pid=$(systemctl show -P MainPID ran); run --unit ran --duration 200ms -o /left/ran.json; \
         systemctl is-active ran; [ $(systemctl show -P MainPID ran) = $pid ] || echo anew; show /left/ran.json; \
         grep -c attached-mid-run /left/ran.json; true",
        0,
        &["ran.service is restarted", "active\n", "anew\n", "uname", "0\n"],
    ),
    (
        "run --unit ran --stop --duration 200ms; systemctl is-active ran",
        0,
        &["ran.service was started again, as it was found\n", "uname", "active\n"],
    ),
    (
        "run --unit filtered --duration 200ms -o /left/filtered.json; \
         /sandprint profile generate -f json /left/filtered.json",
        1,
        &[
            "warning: filtered.service has a SystemCallFilter= already",
            "The target already had a seccomp filter",
            "error: failed to make a profile",
        ],
    ),
    (
        "behind attach --unit good -o /left/late.json; printed 'has begun'; systemctl start good; \
         systemctl stop good; int; wait $pid; s=$?; show /left/late.json; grep -c attached-mid-run /left/late.json; exit $s",
        0,
        &["note: unit good.service does not run; waiting for its start\n", "clock_nanosleep", "0\n"],
    ),
    ("/sandprint profile attach --unit masked", 1, &["error: the unit masked.service is masked\n", "hint: "]),
    (
        "/sandprint profile attach --unit nosuch",
        1,
        &["error: no running unit nosuch.service was found\n", "hint: "],
    ),
    (
        "/sandprint watch --unit good --duration 100ms",
        0,
        &["note: unit good.service does not run; waiting for its start\n", "watching unit good.service\n"],
    ),
];

const HEAD: &str = "
export PATH=/usr/bin:/usr/sbin
run() { /sandprint profile run \"$@\" </dev/null; }
behind() { /sandprint profile \"$@\" </dev/null & pid=$!; }
show() { /sandprint profile show \"$1\"; }
until_() {
    tries=0
    until \"$@\"; do tries=$((tries + 1)); [ $tries -lt 1200 ] || exit 99; /busybox sleep 0.05; done
}
printed() { until_ grep -q \"$1\" \"$said\"; }
is_in() { [ \"$(systemctl show -P ActiveState \"$1\")\" = \"$2\" ]; }
until_state() { until_ is_in \"$1\" \"$2\"; }
int() { kill -INT $pid; }
";

#[test]
fn what_cannot_be_recorded_is_said_and_units_are_left_as_they_were() {
    let Some(host) = Host::new() else { return };
    if !bpf::can_load() {
        return;
    }
    host.install(SANDPRINT, "sandprint");
    for (name, text) in UNITS {
        host.unit(name, text);
    }
    symlink("/dev/null", host.in_units("masked.service")).expect("the folder is ours");
    let mut script = String::from(HEAD);
    for (at, (case, ..)) in CASES.iter().enumerate() {
        write!(script, "said=/left/{at}\n( {case} ) >$said 2>&1\necho $? >/left/{at}.status\n")
            .expect("it fits");
    }
    let booted = host.run_script(&script, 120);
    let log = host.left("log").unwrap_or_default();
    let mut wrong = Vec::new();
    for (at, (case, status, words)) in CASES.iter().enumerate() {
        let said = host.left(&at.to_string()).unwrap_or_default();
        let ended = host.left(&format!("{at}.status")).unwrap_or_default();
        let mut rest = said.as_str();
        let missing = words.iter().find(|words| match rest.split_once(**words) {
            Some((_, after)) => {
                rest = after;
                false
            }
            None => true,
        });
        if ended.trim() != status.to_string() || missing.is_some() {
            wrong.push(format!("{case}\n  ended with {ended}  without {missing:?}:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{booted}\n{log}", wrong.join("\n"));
}
