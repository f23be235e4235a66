//! Policies with one fault each, and one without any.

use sandprint_model::wire::PolicyFile;

use super::*;

const HEAD: &str = "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n\
    [[x86_64.exit]]\ndo = \"allow\"\nwhy = [\"it ends\"]\n";

/// How bad, which rule and condition, and the words.
type Found = (Severity, Option<(usize, Option<usize>)>, String);

fn faults(rules: &str) -> Vec<Found> {
    let text = format!("{HEAD}{rules}");
    let file = PolicyFile::read(&text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    let faults = check(&file.policy).into_iter();
    faults
        .map(|fault| {
            assert!(!fault.hint.is_empty());
            (fault.severity, fault.at.map(|at| (at.rule, at.condition)), fault.message)
        })
        .collect()
}

/// Rules of one call: action, conditions.
fn socket(rules: &[(&str, &str)]) -> String {
    let rule = |(action, conditions): &(&str, &str)| {
        format!("[[x86_64.socket]]\ndo = \"{action}\"\nwhen = [{conditions}]\nwhy = [\"a test\"]\n")
    };
    rules.iter().map(rule).collect()
}

#[test]
fn a_sound_policy_has_no_faults() {
    let rules = socket(&[
        ("allow", "\"arg0.u32 == 2\", \"arg1.u32 & 0xf == 1\""),
        ("allow", "\"arg0.u32 == 1\""),
        ("allow", "\"arg0.u32 > 7\", \"arg0.u32 < 9\""),
        ("allow", "\"arg0.u32 == 3\", \"arg0.u64 == 0x100000003\""),
        ("errno EAFNOSUPPORT", ""),
    ]);
    assert_eq!(faults(&rules), []);
}

#[test]
fn every_fault_is_found_where_it_is() {
    for (rules, severity, place, words) in [
        (socket(&[("allow", "\"arg0.u32 == 0x100000000\"")]), Severity::Error, (0, Some(0)), "does not fit"),
        (
            socket(&[("allow", "\"arg0.u32 & 0x1ffffffff == 1\"")]),
            Severity::Error,
            (0, Some(0)),
            "does not fit",
        ),
        (socket(&[("allow", "\"arg1.u64 & 6 == 1\"")]), Severity::Error, (0, Some(0)), "never hold"),
        (socket(&[("allow", "\"arg1.u64 < 0\"")]), Severity::Error, (0, Some(0)), "never hold"),
        (socket(&[("allow", "\"arg1.u32 > 0xffffffff\"")]), Severity::Error, (0, Some(0)), "never hold"),
        (socket(&[("allow", "\"arg1.u32 >= 0\"")]), Severity::Warning, (0, Some(0)), "always holds"),
        (
            socket(&[("allow", "\"arg0.u32 == 1\", \"arg0.u32 == 2\"")]),
            Severity::Error,
            (0, Some(0)),
            "never hold together",
        ),
        (
            socket(&[("allow", "\"arg0.u64 > 5\", \"arg0.u64 == 2\"")]),
            Severity::Error,
            (0, Some(1)),
            "never hold together",
        ),
        (
            socket(&[("allow", ""), ("errno EPERM", "\"arg0.u32 == 1\"")]),
            Severity::Error,
            (1, None),
            "never decide",
        ),
        (
            socket(&[
                ("allow", "\"arg0.u32 == 1\""),
                ("errno EPERM", "\"arg1.u32 == 1\", \"arg0.u32 == 1\""),
            ]),
            Severity::Error,
            (1, None),
            "never decide",
        ),
        (socket(&[("allow", ""), ("allow", "")]), Severity::Error, (1, None), "the same as rule 1"),
        (socket(&[("allow", ""), ("log", "")]), Severity::Error, (1, None), "contradicts rule 1"),
        ("[[x86_64.read]]\ndo = \"allow\"\n".to_owned(), Severity::Warning, (0, None), "no reason"),
    ] {
        let found = faults(&rules);
        assert_eq!(found.len(), 1, "{rules}\n{found:?}");
        assert_eq!((found[0].0, found[0].1), (severity, Some(place)), "{rules}\n{found:?}");
        assert!(found[0].2.contains(words), "{rules}\n{found:?}");
    }
}

#[test]
fn what_is_wrong_with_the_whole_policy_is_told() {
    let whole = |text: &str| {
        let policy = PolicyFile::read(text).unwrap().policy;
        let faults = check(&policy).into_iter().filter(|fault| fault.at.is_none());
        faults.map(|fault| (fault.severity, fault.message)).collect::<Vec<_>>()
    };
    let nothing = "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n";
    let found = whole(nothing);
    assert!(
        found.len() == 1 && found[0].0 == Severity::Error && found[0].1.contains("no call at all"),
        "{found:?}"
    );
    let refuses = format!("{nothing}[[x86_64.read]]\ndo = \"errno 5\"\n");
    assert_eq!(whole(&refuses), found);
    let open = "version = 1\ndefault = \"log\"\nforeign = \"log\"\n[[x86_64.read]]\ndo = \"errno 5\"\n";
    let found = whole(open);
    assert!(
        found.len() == 1 && found[0].0 == Severity::Warning && found[0].1.contains("every ABI"),
        "{found:?}"
    );
    let endless = format!("{nothing}[[x86_64.read]]\ndo = \"allow\"\n");
    let found = whole(&endless);
    assert!(found.len() == 1 && found[0].1.contains("exit_group"), "{found:?}");
}

/// A profile may have a rule for each number of an ioctl: none is compared with all others, here and where policies are
/// read. Comparing each with each takes minutes.
#[test]
#[expect(clippy::disallowed_types, reason = "a test that asks how long something takes")]
fn many_rules_of_one_call_are_looked_at_quickly() {
    let began = std::time::Instant::now();
    let rule = |value: u32| {
        format!(
            "[[x86_64.ioctl]]\ndo = \"{}\"\nwhen = [\"arg0.u32 == 3\", \"arg1.u32 == {value}\"]\nwhy = [\"a test\"]\n",
            if value.is_multiple_of(2) { "allow" } else { "log" }
        )
    };
    let rules: String = (0..16_000).chain([15_999]).map(rule).collect();
    let found = faults(&rules);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].2, "this rule is the same as rule 16000 of ioctl");
    assert!(began.elapsed() < std::time::Duration::from_mins(1), "{:?}", began.elapsed());
}
