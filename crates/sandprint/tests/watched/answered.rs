//! Calls that a supervisor or a tracer answered in the filter's place are told apart from refused ones.

use testkit::bpf;

use crate::caller::caller;
use crate::gate::Gate;
use crate::watching::Watching;

fn check(how: &str, expected: &[(&str, &str, u64)]) {
    if !bpf::can_load() {
        return;
    }
    let Some(caller) = caller() else { return };
    let mut gate = Gate::before(&[caller.to_str().unwrap(), how, "5"]);
    let watching = Watching::start(&["--pid", &gate.pid().to_string(), "--format", "json"]);
    let status = gate.go();
    assert!(status.success(), "{status}");
    let told = watching.end();
    told.assert_calls(how, expected);
    assert!(told.events().iter().all(|event| event["doubt"].is_null()), "{}", told.stdout);
}

#[test]
fn what_a_supervisor_did_is_emulated_and_what_it_refused_is_denied() {
    check(
        "supervised",
        &[("getcpu", "emulated by supervisor", 5), ("personality", "notify by supervisor", 5)],
    );
}

#[test]
#[cfg(target_arch = "x86_64")]
fn what_a_tracer_did_is_emulated() {
    check(
        "traced",
        &[
            // A tracer that has no call made takes away its number.
            ("?", "emulated by tracer", 5),
            ("getcpu", "emulated by tracer", 5),
            ("exit_group", "emulated by tracer", 1),
        ],
    );
}
