//! Refused calls of more kinds than are kept: those that are kept are exact, and the others are counted.

use std::collections::BTreeMap;

use sandprint_model::{Action, Policy, Syscall};

use crate::SANDPRINT;
use crate::observers::observers;
use crate::trial::{build, verify};
use testkit::hosts::NATIVE;
use testkit::policies::native::all_but;
use testkit::scratch::Scratch;

/// As many as are kept, in `MOST_KINDS`.
const MOST: u64 = 10_000;

/// A policy that allows every call that there is.
fn all_that_there_is() -> Policy {
    let mut policy = all_but(&[]);
    let rule = policy.calls.rules.values().next().unwrap().clone();
    policy.calls.rules = Syscall::all(NATIVE).map(|syscall| (syscall, rule.clone())).collect();
    policy.calls.default_action = Action::Errno(13);
    policy
}

#[test]
fn kinds_without_end_are_kept_up_to_a_bound_and_the_rest_is_counted() {
    const CHILDREN: u64 = 4;
    const EACH: u64 = 2_600;
    for observer in observers() {
        let scratch = Scratch::of(SANDPRINT);
        if !build(&scratch, "caller") {
            return;
        }
        let (children, each) = (CHILDREN.to_string(), EACH.to_string());
        let words = ["--", "./caller", "numbers", &children, &each];
        let (status, report) = verify(&scratch, &all_that_there_is(), observer, &words);
        assert_eq!(status, 3, "{observer}: {}", report["caveats"]);
        let denials = report["denials"].as_array().unwrap();
        let counts: BTreeMap<u64, u64> = denials
            .iter()
            .map(|denial| (denial["nr"].as_u64().unwrap(), denial["count"].as_u64().unwrap()))
            .collect();
        // Each of them twice, whichever they are; but the kernel may have had no room when one came for the first time.
        assert_eq!(denials.len(), counts.len(), "{observer}");
        let in_range = |nr: &u64| (1000..1000 + CHILDREN * EACH).contains(nr);
        let least = if observer == "notify" { 2 } else { 1 };
        let is_wrong = |(nr, count): &(&u64, &u64)| !in_range(nr) || !(least..=2).contains(*count);
        let wrong: Vec<_> = counts.iter().filter(is_wrong).collect();
        assert!(wrong.is_empty(), "{observer}: {wrong:?}");
        let kept = u64::try_from(counts.len()).unwrap();
        assert!(kept <= MOST, "{observer}: {kept}");
        let caveats: Vec<&str> =
            report["caveats"].as_array().unwrap().iter().map(|caveat| caveat.as_str().unwrap()).collect();
        // Hints that were dropped are no calls.
        let of_calls = |caveat: &&&str| !caveat.contains("hints to look");
        let untold: u64 = caveats
            .iter()
            .filter(of_calls)
            .map(|caveat| caveat.split_once(' ').unwrap().0.parse::<u64>().unwrap())
            .sum();
        assert_eq!(counts.values().sum::<u64>() + untold, 2 * CHILDREN * EACH, "{observer}: {caveats:?}");
        let is_told = |kinds: &str| caveats.iter().any(|caveat| caveat.ends_with(kinds));
        if observer == "notify" {
            assert_eq!(kept, MOST);
            assert!(is_told("of other kinds: more than 10000 kinds are not kept"), "{caveats:?}");
        }
    }
}

#[test]
fn under_the_bound_nothing_is_left_out() {
    for observer in observers() {
        let scratch = Scratch::of(SANDPRINT);
        if !build(&scratch, "caller") {
            return;
        }
        let (status, report) =
            verify(&scratch, &all_that_there_is(), observer, &["--", "./caller", "numbers", "2", "700"]);
        assert_eq!(status, 3, "{observer}");
        let denials = report["denials"].as_array().unwrap();
        assert_eq!(denials.len(), 1400, "{observer}");
        assert!(denials.iter().all(|denial| denial["count"] == 2), "{observer}");
        assert_eq!(report["caveats"], serde_json::json!([]), "{observer}");
    }
}
