//! Which name an address was resolved from: what real programs and resolvers tell each other, in a network of their own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use sandprint_model::{FactKind, GapKind, Trace};
use testkit::expect::skip;

use crate::recorder::{
    self, FULL, FULL_BY_TID, FULL_NOTIFIED, FULL_REDACTED, FULL_TRACED, How, Recording, SANDPRINT,
};
use crate::turns;

const SERVER: &str = include_str!("names/server.py");
const ROOM: &str = include_str!("names/room.sh");
const CARRIERS: &str = include_str!("names/carriers.py");

/// What is done with names by programs that people use.
const PROGRAMS: &str = "
getent ahosts plain.test
getent hosts www.test
getent ahosts LARGE.test
getent ahosts missing.test
curl -s http://www.test/
curl -s http://near.test/
curl -s -x http://127.0.0.1:3128 https://Secret.example:8443/
python3 -c 'import socket; socket.getaddrinfo(\"many.test\", 80)'
";

/// Records a command in a network where there are the servers of these tests and nobody else. None where this machine has
/// none.
fn recorded(how: How, words: &[&str]) -> Option<Recording> {
    let room = ["unshare", "--net", "--mount", "true"];
    if !Command::new(room[0]).args(&room[1..]).status().is_ok_and(|status| status.success()) {
        skip("root", "no network namespace");
        return None;
    }
    for program in ["ip", "curl", "getent", "python3"] {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
        if !found.is_ok_and(|found| found.status.success()) {
            skip("soak", &format!("no {program}"));
            return None;
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("it is text").to_owned();
    for (name, text) in [("server.py", SERVER), ("room.sh", ROOM), ("carriers.py", CARRIERS)] {
        fs::write(path(name), text).expect("the folder is ours");
    }
    let (script, place) = (path("room.sh"), path(""));
    let around = [
        "unshare",
        "--net",
        "--mount",
        "--propagation",
        "private",
        "sh",
        &script,
        place.trim_end_matches('/'),
    ];
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    Some(recorder::record(&around, how, &words, folder.path()))
}

/// `profile show --only names`, without the header.
fn shown(trace: &Path) -> BTreeSet<String> {
    let mut command = Command::new(SANDPRINT);
    command.args(["profile", "show", "--only", "names", "--format", "tsv"]).arg(trace);
    let output = command.output().expect("sandprint starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("a table is text");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("name\taddress\tsource"));
    lines.map(|line| line.replace('\t', " ")).collect()
}

/// How often something that tells names could not be read.
fn lost(trace: &Trace) -> u64 {
    trace.gaps.iter().filter(|(gap, _)| gap.kind == GapKind::NamesLost).map(|(_, count)| *count).sum()
}

/// `name` from `hosts`, of the file in the room, for what was used of it.
const OF_HOSTS: [&str; 3] =
    ["alias.test 127.0.0.1 hosts", "localhost 127.0.0.1 hosts", "near.test 127.0.0.1 hosts"];

#[test]
fn names_are_those_that_programs_resolve_and_ask_proxies_for() {
    let _turn = turns::beside_others();
    let told = [
        "many.test 192.0.2.2 dns",
        "many.test 192.0.2.3 dns",
        "many.test 2001:db8::2 dns",
        "plain.test 192.0.2.1 dns",
        "secret.example :8443 connect",
        "www.test 127.0.0.1 dns",
        "www.test 2001:db8::7 dns",
    ];
    let large: Vec<String> = (1..101).map(|last| format!("large.test 198.51.100.{last} dns")).collect();
    let all: BTreeSet<String> =
        told.iter().chain(&OF_HOSTS).map(|line| (*line).to_owned()).chain(large).collect();
    for how in [FULL, FULL_BY_TID, FULL_TRACED].into_iter().filter(|how| how.can_record()) {
        let Some(recording) = recorded(how, &["sh", "-c", PROGRAMS]) else { return };
        assert_eq!(shown(&recording.trace.0), all, "{how:?} {}", recording.stderr);
        let trace = recording.trace.decoded();
        assert!(trace.shows(FactKind::Names));
        assert_eq!(lost(&trace), 0, "{how:?}");
    }
    if FULL_NOTIFIED.can_record() {
        // It sees no answers, and does not claim to.
        let Some(recording) = recorded(FULL_NOTIFIED, &["sh", "-c", PROGRAMS]) else { return };
        let told = told.iter().filter(|line| line.ends_with(" connect"));
        let expected: BTreeSet<String> = told.chain(&OF_HOSTS).map(|line| (*line).to_owned()).collect();
        assert_eq!(shown(&recording.trace.0), expected, "{}", recording.stderr);
        assert!(!recording.trace.decoded().shows(FactKind::Names));
        assert!(recording.stderr.contains(" and names of addresses"), "{}", recording.stderr);
    }
}

#[test]
fn every_call_that_receives_or_sends_tells_names_and_what_cannot_be_read_is_told() {
    let _turn = turns::beside_others();
    let answers =
        ["read", "readv", "recv", "recvmsg", "recvfrom-of", "recvmsg-of", "stream", "together", "parts"];
    let requests = ["write.example", "writev.example", "send.example", "sendmsg.example", "2001:db8::9"];
    let answers = answers.iter().map(|label| format!("{label}.echo.test 192.0.2.50 dns"));
    let expected: BTreeSet<String> =
        answers.chain(requests.iter().map(|name| format!("{name} :443 connect"))).collect();
    for how in [FULL, FULL_BY_TID, FULL_TRACED].into_iter().filter(|how| how.can_record()) {
        let Some(recording) = recorded(how, &["python3", "carriers.py"]) else { return };
        assert!(recording.status.success(), "{}", recording.stderr);
        assert_eq!(shown(&recording.trace.0), expected, "{how:?} {}", recording.stderr);
        // A datagram that was cut, an answer that is too long, one in two parts, and a line without an end.
        assert_eq!(lost(&recording.trace.decoded()), 5, "{how:?}");
    }
}

#[test]
fn a_hostile_answer_is_a_gap() {
    let _turn = turns::beside_others();
    for how in [FULL, FULL_TRACED].into_iter().filter(|how| how.can_record()) {
        let Some(recording) = recorded(how, &["getent", "ahosts", "hostile.test"]) else { return };
        assert_eq!(shown(&recording.trace.0), BTreeSet::new());
        // The addresses of either version.
        assert_eq!(lost(&recording.trace.decoded()), 2, "{how:?} {}", recording.stderr);
    }
}

#[test]
fn a_redacted_recording_has_no_names() {
    let _turn = turns::beside_others();
    if !FULL_REDACTED.can_record() {
        return;
    }
    let Some(recording) = recorded(FULL_REDACTED, &["python3", "carriers.py"]) else { return };
    assert_eq!(shown(&recording.trace.0), BTreeSet::new());
    let text = fs::read_to_string(&recording.trace.0).expect("it was written");
    assert!(!text.contains(".example") && !text.contains("echo.test"), "{text}");
    assert!(!recording.trace.decoded().shows(FactKind::Names));
    assert!(recording.stderr.contains(" and 14 names; rules about"), "{}", recording.stderr);
}
