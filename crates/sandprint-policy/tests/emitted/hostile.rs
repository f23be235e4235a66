//! Texts that came from the workload, or from a policy file of unknown origin, change comments only.

use std::sync::Arc;

use proptest::prelude::*;
use sandprint_model::{Image, Note, Policy, Reason, wire};
use sandprint_policy::emit::{FORMATS, by_name};

use crate::one_machine::{ONE_MACHINE, of_one_machine};
use crate::seccomp_header::{export, has_libseccomp};
use testkit::hosts::NATIVE;
use testkit::policies::{any_policy, call};

fn text(format: &str, policy: &Policy) -> String {
    by_name(format).unwrap().emit(policy).unwrap().content.as_text().unwrap().to_owned()
}

/// The same policy with harmless texts.
fn harmless(policy: &Policy) -> Policy {
    let mut policy = policy.clone();
    for rule in policy.calls.rules.values_mut().flatten() {
        rule.reasons = std::mem::take(&mut rule.reasons).into_iter().map(harmless_reason).collect();
    }
    policy.notes = policy.notes.iter().map(|_| Note::Words("x".to_owned())).collect();
    policy
}

/// The same reason in other words, so that whatever derives from its kind stays.
fn harmless_reason(reason: Reason) -> Reason {
    let word = || "x".to_owned();
    match reason {
        Reason::Observed { count, runs, images } => {
            let image = |place: usize| Image {
                build_id: Some(place.to_string()),
                path: word().as_str().into(),
                script: None,
            };
            Reason::Observed {
                count,
                runs,
                images: (0..images.len()).map(|place| Arc::new(image(place))).collect(),
            }
        }
        Reason::Baseline(_) => Reason::Baseline(word()),
        Reason::Runtime { .. } => Reason::Runtime { runtime: word(), why: word() },
        Reason::ByHand(_) => Reason::ByHand(word()),
        Reason::Decided { on, .. } => Reason::Decided { words: word(), on, by: word() },
        Reason::Imported(_) => Reason::Imported(word()),
        other => other,
    }
}

/// C without its comments, as a compiler reads it.
fn without_comments(c: &str) -> String {
    let mut code = String::new();
    let mut rest = c;
    while let Some((before, after)) = rest.split_once("/*") {
        code.push_str(before);
        rest = after.split_once("*/").unwrap().1;
    }
    code + rest
}

fn without_lines(text: &str, start: char) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with(start)).collect()
}

/// Lines without what follows the first `start`.
fn without_tails<'t>(text: &'t str, start: &str) -> Vec<&'t str> {
    text.lines().map(|line| line.split_once(start).map_or(line, |(code, _)| code.trim_end())).collect()
}

/// The cells of each table row, and the first character of every other line.
fn structure(markdown: &str) -> Vec<(usize, Option<char>)> {
    markdown.lines().map(|line| (line.matches('|').count(), line.chars().next())).collect()
}

proptest! {
    #[test]
    fn no_text_leaves_its_quotes(policy in any_policy()) {
        let harmless = harmless(&policy);
        for format in ["docker", "oci"] {
            prop_assert_eq!(text(format, &policy), text(format, &harmless), "{}", format);
        }
        let [header, plain] = [&policy, &harmless].map(|policy| without_comments(&text("seccomp-h", policy)));
        prop_assert_eq!(header, plain);
        let [dropin, plain] = [&policy, &harmless].map(|policy| text("systemd", policy));
        prop_assert_eq!(without_lines(&dropin, '#'), without_lines(&plain, '#'));
        if let [Some(hostile), Some(plain)] = [policy.clone(), harmless.clone()].map(of_one_machine) {
            prop_assert_eq!(text("firecracker", &hostile), text("firecracker", &plain));
            let [kafel, plain_kafel] = [&hostile, &plain].map(|policy| text("kafel", policy));
            prop_assert_eq!(without_tails(&kafel, "//"), without_tails(&plain_kafel, "//"));
            if let [Ok(lines), Ok(plain)] =
                [&hostile, &plain].map(|policy| by_name("minijail").unwrap().emit(policy))
            {
                let [lines, plain] = [&lines, &plain].map(|emitted| emitted.content.as_text().unwrap());
                prop_assert_eq!(without_lines(lines, '#'), without_lines(plain, '#'));
            }
        }
        let [object, plain] = [&policy, &harmless].map(|policy| {
            serde_yaml_ng::from_str::<serde_json::Value>(&text("k8s", policy)).unwrap()
        });
        prop_assert_eq!(object, plain);
        let [report, plain] = [&policy, &harmless].map(|policy| text("markdown", policy));
        prop_assert_eq!(structure(&report), structure(&plain));
        let without_ours = report.replace("<code>", "").replace("</code>", "");
        prop_assert!(!without_ours.contains(['<', '>']));
    }

    #[test]
    fn a_policy_reads_back_from_its_json(policy in any_policy()) {
        prop_assert_eq!(wire::decode_policy(text("json", &policy).as_bytes()), Ok(policy));
    }

    #[test]
    fn every_file_ends_with_one_newline_and_holds_no_control_character(policy in any_policy()) {
        for format in FORMATS {
            let emitted = format.emit(&policy);
            prop_assert!(emitted.is_ok() || ONE_MACHINE.contains(&format.name()), "{}", format.name());
            let Ok(emitted) = emitted else { continue };
            let Some(text) = emitted.content.as_text() else { continue };
            prop_assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}", format.name());
            let control = text.chars().find(|c| c.is_control() && *c != '\n');
            prop_assert_eq!(control, None, "{}", format.name());
        }
    }
}

/// A compiler has the last word on what ends a comment.
#[test]
fn hostile_comments_compile() {
    if !has_libseccomp() {
        return;
    }
    let mut policy = testkit::policies::allowing(&[call(NATIVE, "read"), call(NATIVE, "clone3")]);
    let texts = ["*/ #error", "/* /*", "??/", "\\", "*\\\n/", "\u{2028}*\u{202e}/", "\"'", "// x \\"];
    for rule in policy.calls.rules.values_mut().flatten() {
        rule.reasons = texts.iter().map(|text| Reason::ByHand((*text).to_owned())).collect();
    }
    policy.notes = texts.iter().map(|text| Note::Words((*text).to_owned())).collect();
    export(&by_name("seccomp-h").unwrap().emit(&policy).unwrap());
}
