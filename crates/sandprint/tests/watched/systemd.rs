//! A real systemd confines a service, and what it refuses is told with the unit.

use testkit::bpf;
use testkit::systemd::Host;

use crate::caller::caller;
use crate::gate::Gate;
use crate::watching::Watching;

const COUNT: u64 = 4;

/// What systemd refuses and has logged (systemd.exec(5)).
const CONFINED: &str = "\
SystemCallFilter=~sched_getparam:EACCES sched_rr_get_interval:kill get_robust_list
SystemCallErrorNumber=EPERM
SystemCallLog=sched_get_priority_min
";

#[test]
fn what_systemd_refuses_is_told_with_its_unit() {
    let Some(host) = Host::new() else { return };
    if !bpf::can_load() {
        return;
    }
    let Some(caller) = caller() else { return };
    host.install(caller, "caller");
    host.unit("watched.service", &format!("[Service]\nType=oneshot\n{CONFINED}ExecStart=/caller {COUNT}\n"));
    let ran =
        "After=watched.service\n[Service]\nType=oneshot\nExecStart=/busybox sh -c 'echo ran > /left/ran'\n";
    host.start(&["watched.service".to_owned()], ran);
    let boot = host.boot();
    let words: Vec<&str> =
        [boot.get_program()].into_iter().chain(boot.get_args()).map(|word| word.to_str().unwrap()).collect();
    let mut gate = Gate::around(&words);
    let watching = Watching::start(&["--pid", &gate.pid().to_string(), "--format", "json"]);
    let (_, told) = watching.over(&mut gate, COUNT);
    assert_eq!(host.left("ran").as_deref(), Some("ran\n"), "{told:?}");
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
