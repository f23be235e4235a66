//! Text of a workload that hides or reorders others: no output form lets it through, and none loses it.

use std::fs;

use sandprint_model::{ByteString, Gap, GapKind, RunId, Subject, Trace, is_printable};

use crate::SANDPRINT;
use crate::traces::trace;
use sandprint_model::wire::encode_trace;
use testkit::scratch::Scratch;

/// Controls (C0, DEL, C1), text direction, tags, separators, invisible letters.
const HOSTILE: &str = "a\u{1b}[2J\u{7f}\u{9b}\u{85}\u{202e}\u{2066}\u{200b}\u{ad}\u{2028}\u{2029}\u{feff}\u{e0001}\u{e007f}\u{3164}\u{fe0f}z";

fn hostile() -> Trace {
    let mut trace = trace(1, HOSTILE, &[(0, 3), (1, 2), (59, 1)]);
    for run in trace.runs.values_mut() {
        run.tool_version = HOSTILE.to_owned();
        run.target = Some(HOSTILE.to_owned());
        if let Some(host) = &mut run.host {
            host.kernel = HOSTILE.to_owned();
        }
        run.command = vec![ByteString::from(HOSTILE), ByteString::new(*b"\xff\xfe")];
    }
    let gap = |detail: &str| Gap {
        kind: GapKind::CountsInexact,
        run: RunId::from_bits(1),
        detail: Some(detail.to_owned()),
    };
    trace.note_gap(gap(HOSTILE), 1);
    let mut renamed = Trace { runs: trace.runs.clone(), ..Trace::default() };
    for (subject, syscall, runs) in trace.calls.iter() {
        let mut image = (*subject.image).clone();
        image.path = ByteString::from(format!("/bin/{HOSTILE}").as_str());
        image.build_id = Some(HOSTILE.to_owned());
        let subject = Subject::of(&std::sync::Arc::new(image));
        for (run, seen) in runs.iter() {
            renamed.calls.join(subject.clone(), *syscall, run, seen.clone());
        }
    }
    renamed.gaps = trace.gaps;
    renamed
}

#[test]
fn no_output_form_shows_what_cannot_be_seen() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("t", encode_trace(&hostile()));
    scratch.write("other", encode_trace(&trace(2, "b", &[(0, 1)])));
    let mut lines: Vec<String> = [
        "show t",
        "show --by image t",
        "show -f json t",
        "show --by image -f json t",
        "show -f tsv t",
        "merge t",
        "merge t other",
        "subtract t other",
        "diff t other",
        "diff -f json t other",
        "diff -f markdown t other",
        "coverage t other",
        "coverage -f json t other",
    ]
    .map(str::to_owned)
    .into();
    let formats = ["docker", "firecracker", "json", "k8s", "markdown", "oci", "seccomp-h", "systemd", "toml"];
    lines.extend(formats.map(|format| format!("generate --allow-incomplete --portable -f {format} -i t")));
    for line in lines {
        let ended = scratch.run(&[&["profile"], line.split(' ').collect::<Vec<_>>().as_slice()].concat());
        assert_eq!(ended.status, 0, "{line}: {}", ended.stderr);
        for (stream, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
            let shown = text.chars().find(|c| !is_printable(*c) && !matches!(c, '\n' | '\t'));
            assert_eq!(shown, None, "{line}: {stream}: {text:?}");
        }
        assert!(!ended.stdout.is_empty(), "{line}");
    }
}

#[test]
fn what_is_escaped_reads_back_as_it_was() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("t", encode_trace(&hostile()));
    assert_eq!(scratch.trace("t"), hostile());
    assert_eq!(scratch.run(&["profile", "merge", "t", "-o", "again"]).status, 0);
    assert_eq!(scratch.trace("again"), hostile());
    for (format, name) in [("json", "policy.json"), ("toml", "policy.toml")] {
        let words = ["profile", "generate", "--allow-incomplete", "-f", format, "-i", "t", "-o", name];
        assert_eq!(scratch.run(&words).status, 0);
    }
    let back = scratch.run(&["profile", "generate", "-p", "policy.toml", "-f", "json"]);
    assert_eq!((back.status, back.stdout), (0, scratch.read("policy.json")));
    assert_eq!(scratch.run(&["policy", "fmt", "--check", "policy.toml"]).status, 0);
    assert!(fs::read(scratch.path("policy.toml")).unwrap().iter().all(|byte| *byte != 0x7f));
}

#[test]
fn what_a_workload_can_lengthen_is_told_as_a_few_and_a_count() {
    let scratch = Scratch::of(SANDPRINT);
    let mut long = trace(1, "long", &[(0, 3), (59, 1)]);
    for number in 0..1000 {
        let detail = Some(format!("/bin/program-{number:04}"));
        let (run, kind) = (RunId::from_bits(1), GapKind::CountsInexact);
        long.note_gap(Gap { kind, run, detail: detail.clone() }, 1);
        long.note_gap(Gap { kind: GapKind::CallsInterrupted, run, detail }, 1);
    }
    scratch.write("t", encode_trace(&long));
    let shown = scratch.run(&["profile", "show", "t"]).stdout;
    assert_eq!(shown.matches("/bin/program-").count(), 10, "{shown}");
    assert_eq!(shown.matches(" (995 more)\n").count(), 2, "{shown}");
    let refused = scratch.run(&["profile", "generate", "-f", "oci", "-i", "t"]);
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.matches("/bin/program-").count() <= 10, "{}", refused.stderr);
    assert!(refused.stderr.contains("and 997 more"), "{}", refused.stderr);
    let accepted = scratch.run(&["profile", "generate", "--allow-incomplete", "-f", "oci", "-i", "t"]);
    assert!(accepted.stderr.lines().count() < 40, "{}", accepted.stderr);
    let data = scratch.run(&["profile", "show", "-f", "json", "t"]).stdout;
    assert_eq!(data.matches("/bin/program-").count(), 2000);
}
