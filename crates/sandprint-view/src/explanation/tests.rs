//! What an explanation says in each form, and that what others wrote is escaped in all.

use std::collections::BTreeSet;
use std::sync::Arc;

use sandprint_model::wire::PolicyFile;
use sandprint_model::{
    Abi, ByteString, CallSeen, Gap, GapKind, Image, Reason, RunId, Subject, Syscall, Trace,
};
use sandprint_policy::explain::explain;

use super::*;

const POLICY: &str = r#"version = 1
default = "errno EPERM"
foreign = "kill-process"

[[x86_64.read]]
do = "allow"
why = ["it reads"]

[[x86_64.connect]]
do = "log"
why = ["watched"]

[[x86_64.socket]]
do = "allow"
when = ["arg0.u32 == AF_INET"] # AF_INET6 is what it is for
why = ["the update check"]

[[x86_64.socket]]
do = "errno EAFNOSUPPORT"
why = ["nothing else"]
"#;

fn call(name: &str) -> Syscall {
    Syscall::from_name(Abi::X86_64, name).unwrap()
}

/// Text, Markdown and JSON.
fn forms(file: &PolicyFile, trace: Option<&Trace>) -> [String; 3] {
    let explanation = explain(file, trace);
    let listing = Listing { explanation: &explanation, abis: &explanation.main_abis() };
    [listing.text(), listing.markdown(), listing.json()]
}

#[test]
fn without_a_trace_everything_allowed_is_listed_with_its_conditions_and_reasons() {
    let [text, ..] = forms(&PolicyFile::read(POLICY).unwrap(), None);
    assert!(text.contains("socket: allow when family == AF_INET (2); errno EAFNOSUPPORT\n"), "{text}");
    assert!(text.contains("        by hand: the update check\n"), "{text}");
    assert!(text.contains("connect: log\n"), "{text}");
    let finding =
        "the rule says family == AF_INET (2), which is not what its author's words name: AF_INET6 is 10\n";
    assert!(text.contains(&format!("x86_64 socket: {finding}")), "{text}");
}

#[test]
fn lists_of_calls_fit_a_terminal() {
    let file = PolicyFile::read(&POLICY.replace("errno EPERM", "allow")).unwrap();
    let [text, ..] = forms(&file, None);
    let lists: Vec<&str> = text.lines().filter(|line| line.ends_with(',')).collect();
    let longest = lists.iter().map(|line| line.len()).max();
    assert!(lists.len() > 20 && longest.is_some_and(|longest| (70..=80).contains(&longest)), "{text}");
}

#[test]
fn every_form_has_what_was_observed_and_refused() {
    let mut trace = Trace::default();
    let image = Image { path: ByteString::from("/bin/b\x1b[2J"), build_id: None, script: None };
    let calls = [call("read"), call("socket"), call("mount"), Syscall { abi: Abi::I386, nr: 20 }];
    for syscall in calls {
        let subject = Subject::of(&Arc::new(image.clone()));
        trace.calls.join(subject, syscall, RunId::from_bits(1), CallSeen::times(1));
    }
    let gap = Gap { kind: GapKind::Unfinished, run: RunId::from_bits(1), detail: None };
    trace.note_gap(gap, 1);
    for text in forms(&PolicyFile::read(POLICY).unwrap(), Some(&trace)) {
        assert!(text.contains("mount") && text.contains("/bin/b"), "{text}");
        assert!(text.contains("later calls are missing"), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
    }
}

#[test]
fn what_others_wrote_is_escaped_everywhere() {
    let hostile = "x\u{1b}[2J\u{202e} AF_UNIX | <b>`\\n";
    let mut file = PolicyFile::read(POLICY).unwrap();
    for rule in file.policy.calls.rules.get_mut(&call("socket")).unwrap() {
        rule.reasons = BTreeSet::from([Reason::ByHand(hostile.to_owned())]);
    }
    let found = explain(&file, None).findings.iter().filter(|finding| finding.wrote == hostile).count();
    assert_eq!(found, 1);
    let [text, markdown, json] = forms(&file, None);
    for text in [&text, &markdown, &json] {
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
    }
    assert!(!markdown.contains("<b>"), "{markdown}");
}
