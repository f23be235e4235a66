//! The reader of audit records sees every call that a filter let run and had logged, and no other.

use std::fs;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use sandprint_model::{Action, wire};
use sandprint_record::audit::LogReader;
use sandprint_sandbox::poll;

use crate::SANDPRINT;
use crate::caller::{caller, can_see_logged};
use crate::confined::EVERY_ACTION;
use crate::gate::Gate;
use testkit::policies::native::all_but;
use testkit::wait::DEADLINE;

#[test]
fn each_logged_call_is_a_record_with_its_process() {
    const COUNT: usize = 40;
    let Some(caller) = caller() else { return };
    if !can_see_logged() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy");
    // Refused calls are written to the same log, and are not these.
    let policy = all_but(&EVERY_ACTION.map(|(name, action)| match action {
        Action::Notify | Action::Trace(_) => (name, Action::Errno(13)),
        other => (name, other),
    }));
    fs::write(&path, wire::encode_policy(&policy)).unwrap();
    let words = ["run", "--log-denials", "-p", path.to_str().unwrap(), "--", caller.to_str().unwrap()];
    let mut gate = Gate::before(&[&[SANDPRINT][..], &words, &[&COUNT.to_string()]].concat());
    let pid = gate.pid();
    let mut log = LogReader::open().unwrap();
    let status = gate.go();
    assert!(status.success(), "{status}");
    let begin = Instant::now();
    let mut ours = Vec::new();
    // The kernel hands records on a little later. The time after the last is for one too many: too short a time could
    // only hide that.
    while ours.len() < COUNT || begin.elapsed() < Duration::from_millis(300) {
        assert!(begin.elapsed() < DEADLINE, "{} of {COUNT}", ours.len());
        poll::readable([log.as_fd()], Some(Duration::from_millis(50))).unwrap();
        ours.extend(log.records().unwrap().into_iter().filter(|record| record.pid == pid));
    }
    assert_eq!(ours.len(), COUNT);
    for record in &ours {
        assert_eq!(record.syscall.name(), Some("sched_get_priority_min"));
        assert_eq!(record.comm.to_string(), "watched-caller");
        assert_eq!(record.exe.to_string(), caller.canonicalize().unwrap().to_str().unwrap());
        assert_eq!((record.returned, record.instruction_pointer), (0x7ffc_0000, ours[0].instruction_pointer));
    }
    assert_eq!(log.missed(), []);
}
