//! `policy explain`: policies and profiles of others, with and without traces.

use std::collections::BTreeSet;
use std::path::Path;

use sandprint_model::{Abi, Syscall};
use serde_json::Value;

use crate::SANDPRINT;
use crate::traces::trace;
use sandprint_model::wire::encode_trace;
use testkit::ended::Ended;
use testkit::scratch::Scratch;

/// What a post in a forum shows as a minimal profile, as it stands there.
const FORUM: &str = r#"{
"defaultAction": "SCMP_ACT_ERRNO",
"syscalls": [
{ "names": ["read", "write", "close", "poll"], "action": "SCMP_ACT_ALLOW" },
{ "names": ["clock_gettime"], "action": "SCMP_ACT_ALLOW", "args": [{ "index": 0, "value": 4, "op": "SCMP_CMP_EQ" }] }, // CLOCK_MONOTONIC_COARSE only
{ "names": ["connect", "recvfrom", "sendto"], "action": "SCMP_ACT_ALLOW" }
]
}
"#;

fn docker() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/profiles/docker-20.10.24.json");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_forums_snippet_promises_another_clock_than_it_allows() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("forum.json", FORUM);
    let ended = scratch.run(&["policy", "explain", "--arch", "x86_64", "forum.json"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    insta::assert_snapshot!("explain-forum", ended.all());
    let found = "which_clock == CLOCK_MONOTONIC_RAW (4), which is not what its author's words name: \
                 CLOCK_MONOTONIC_COARSE is 6";
    assert!(ended.stdout.contains(found), "{}", ended.stdout);
    // Corrected, there is nothing to say.
    scratch.write("forum.json", FORUM.replace("\"value\": 4", "\"value\": 6"));
    let corrected = scratch.run(&["policy", "explain", "--arch", "x86_64", "forum.json"]);
    assert!(!corrected.stdout.contains("author"), "{}", corrected.stdout);
}

/// The calls of x86-64 that Docker's profile allows on a new kernel with the default capabilities, read from its JSON
/// by nothing of ours.
fn allowed_by_docker(profile: &str) -> BTreeSet<String> {
    let profile: Value = serde_json::from_str(profile).unwrap();
    let has = |filter: &Value, key: &str, wanted: &[&str]| {
        let given: Vec<&str> =
            filter[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        (given.is_empty(), given.iter().any(|one| wanted.contains(one)))
    };
    let mut names = BTreeSet::new();
    for entry in profile["syscalls"].as_array().unwrap() {
        let (includes, excludes) = (&entry["includes"], &entry["excludes"]);
        // Of the capabilities that the profile asks for, a container has this one.
        let (any_caps, our_caps) = has(includes, "caps", &["CAP_SYS_CHROOT"]);
        let (any_arch, our_arch) = has(includes, "arches", &["amd64"]);
        let out = has(excludes, "caps", &["CAP_SYS_CHROOT"]).1 || has(excludes, "arches", &["amd64"]).1;
        if entry["action"] == "SCMP_ACT_ALLOW" && (any_caps || our_caps) && (any_arch || our_arch) && !out {
            let listed = entry["names"].as_array().unwrap().iter().filter_map(Value::as_str);
            names.extend(listed.map(str::to_owned));
        }
    }
    names.retain(|name| Syscall::from_name(Abi::X86_64, name).is_some());
    names
}

#[test]
fn dockers_default_against_a_trace_says_what_was_never_observed() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("docker.json", docker());
    // read, write, clone, mount, keyctl, clock_gettime
    let calls = [(0, 7), (1, 3), (56, 2), (165, 1), (250, 4), (228, 9)];
    scratch.write("app.trace.json", encode_trace(&trace(1, "app", &calls)));
    let ended = scratch.run(&[
        "policy",
        "explain",
        "-f",
        "json",
        "--arch",
        "x86_64",
        "docker.json",
        "app.trace.json",
    ]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    let part = answer["abis"].as_array().unwrap().iter().find(|part| part["abi"] == "x86_64").unwrap();
    let mut expected = allowed_by_docker(&docker());
    assert_eq!(part["allowed"], expected.len());
    for observed in ["read", "write", "clone", "clock_gettime"] {
        assert!(expected.remove(observed), "{observed}");
    }
    let unobserved: Vec<String> = part["allowed_unobserved"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["calls"].as_array().unwrap())
        .map(|call| call["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(unobserved.len(), expected.len());
    assert_eq!(unobserved.into_iter().collect::<BTreeSet<_>>(), expected);
    let seen = |key: &str| -> Vec<(String, u64)> {
        let rows = part[key].as_array().unwrap().iter();
        rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row["count"].as_u64().unwrap())).collect()
    };
    assert_eq!(seen("observed_refused"), [("mount".to_owned(), 1), ("keyctl".to_owned(), 4)]);
    assert_eq!(seen("observed_conditional"), [("clone".to_owned(), 2)]);
    assert_eq!((&part["observed"], &part["observed_allowed"]), (&Value::from(6), &Value::from(3)));
    assert_eq!(part["observed_refused"][0]["programs"][0], "/bin/app");
}

#[test]
fn a_policy_file_is_explained_as_markdown_and_abis_are_listed_on_demand() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write(
        "p.toml",
        "version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n\n[[x86_64.exit_group]]\n\
         do = \"allow\"\nwhy = [\"it | ends\"]\n\n[[i386.getpid]]\ndo = \"allow\"\nwhy = [\"who\"]\n",
    );
    scratch.write("t.json", encode_trace(&trace(1, "app", &[(0, 7), (231, 1)])));
    let ended = scratch.run(&["policy", "explain", "-f", "markdown", "p.toml", "t.json", "--abi", "i386"]);
    let expected = "\
calls without a rule: errno EPERM; calls of an ABI without rules: kill-process

i386: 1 call allowed, and none of its calls was observed

| Allowed and never observed | calls | when | why |
| --- | --- | --- | --- |
| processes | `getpid` |  | by hand&#58; who |

x86_64: 1 call allowed, 0 of them never observed; 2 calls observed: 1 allowed, 1 refused, 0 decided by arguments
";
    assert_eq!(ended, Ended::printed(expected));
}

#[test]
fn what_cannot_be_explained_is_an_error_with_a_hint() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("empty.json", "");
    scratch.write("half.json", "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [");
    scratch.write("forum.json", FORUM);
    scratch.write("t.json", encode_trace(&trace(1, "app", &[(0, 7)])));
    for (arguments, status) in [
        (&["empty.json"][..], 1),
        (&["half.json"], 1),
        (&["missing.json"], 1),
        (&["t.json"], 1),
        (&["forum.json", "forum.json"], 1),
        (&["-", "-"], 2),
        (&["forum.json", "--abi", "mips"], 2),
        (&[], 2),
    ] {
        let ended = scratch.run(&[&["policy", "explain"], arguments].concat());
        assert_eq!((ended.status, ended.stdout.as_str()), (status, ""), "{arguments:?}: {}", ended.stderr);
        let lines = |label: &str| ended.stderr.lines().filter(|line| line.starts_with(label)).count();
        assert_eq!((lines("error: "), lines("hint: ")), (1, 1), "{arguments:?}: {}", ended.stderr);
    }
}
