//! What `profile verify` finds out: who, what, from where, what then; and the exit status that it means.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;

use sandprint_model::Action;
use serde_json::{Value, json};

use crate::SANDPRINT;
use crate::observers::{can_notify, observers};
use crate::trial::{build, verify};
use testkit::ended::Ended;
use testkit::hosts::NATIVE;
use testkit::policies::native::all_but;
use testkit::scratch::Scratch;
use testkit::users::{AS_NOBODY, can_become};

const REFUSED: Action = Action::Errno(13);

fn scratch() -> Option<Scratch> {
    let scratch = Scratch::of(SANDPRINT);
    build(&scratch, "caller").then_some(scratch)
}

#[test]
fn a_refused_call_is_named_with_all_that_is_known_of_it() {
    let Some(scratch) = scratch() else { return };
    let cases = [
        (REFUSED, "errno EACCES", "went-on", [(json!(3), json!(null)), (json!(3), json!(null))]),
        (Action::Trap, "trap", "ended", [(json!(null), json!(31)), (json!(null), json!(31))]),
        (Action::KillProcess, "kill-process", "killed", [(json!(null), json!(9)), (json!(null), json!(31))]),
    ];
    let all = observers().into_iter().flat_map(|observer| cases.clone().map(|case| (observer, case)));
    for (observer, (action, in_words, next, ends)) in all {
        let policy = all_but(&[("socket", action)]);
        let (status, mut report) = verify(&scratch, &policy, observer, &["--", "./caller", "sockets", "3"]);
        assert_eq!(status, 3, "{report:#}");
        // What differs from run to run, and from libc to libc.
        let denial = &mut report["denials"][0];
        let pid = denial["ancestry"][0]["pid"].take();
        assert!(pid.as_u64().is_some_and(|pid| pid > 1), "{pid}");
        assert!(denial["location"]["offset"].take().as_u64().is_some_and(|offset| offset > 0));
        // Of six registers, socket(2) has three.
        let registers = denial["args"].take();
        assert_eq!(registers.as_array().unwrap()[..3], [1, 1, 0], "{registers}");
        let module = denial["location"]["module"].take();
        assert!(module.as_str().unwrap().contains("libc"), "{module}");
        assert_eq!(denial["ended_after_ms"].take().is_u64(), next == "ended");
        for pass in report["passes"].as_array_mut().unwrap() {
            pass["filter_instructions"].take();
            pass["filter_in_force"].take();
        }
        let caveats = report["caveats"].take();
        let approximated = observer == "notify" && action != REFUSED;
        assert_eq!(caveats.as_array().unwrap().is_empty(), !approximated, "{caveats}");

        let image = scratch.root().canonicalize().unwrap().join("caller");
        let refused = if action == REFUSED { 3 } else { 1 };
        let pass = |kind, (code, signal): &(Value, Value)| {
            json!({"kind": kind, "exit_code": code, "exit_signal": signal,
                   "filter_instructions": null, "filter_in_force": null})
        };
        let passes = match observer {
            "notify" => vec![pass("explained", &ends[0]), pass("confirmed", &ends[1])],
            _ => vec![pass("observed", &ends[1])],
        };
        let expected = json!({
            "clean": false,
            "command": ["./caller", "sockets", "3"],
            "refused": refused,
            "denials": [{
                "abi": NATIVE.name(),
                "nr": sandprint_model::Syscall::from_name(NATIVE, "socket").unwrap().nr,
                "name": "socket",
                "args": null,
                "call": "socket(AF_UNIX, SOCK_STREAM, 0)",
                "action": in_words,
                "count": refused,
                "image": image,
                "ancestry": [{"pid": null, "comm": "caller"}],
                "location": {"module": null, "offset": null, "function": "socket"},
                "no_location": null,
                "next": next,
                "ended_after_ms": null,
                "rule": {
                    "do": "allow",
                    "when": ["arg0.u32 == AF_UNIX", "arg1.u32 & 0xf == SOCK_STREAM", "arg2.u32 == 0"],
                },
            }],
            "outside": [],
            "passes": passes,
            "exit_code": ends[1].0,
            "exit_signal": ends[1].1,
            "expected_status": 0,
            "ended_as_expected": false,
            "caveats": null,
        });
        assert_eq!(report, expected);
    }
}

#[test]
fn the_rule_that_it_names_is_enough() {
    let Some(scratch) = scratch() else { return };
    let mut policy = all_but(&[("socket", REFUSED)]);
    let socket = sandprint_model::Syscall::from_name(NATIVE, "socket").unwrap();
    let call = sandprint_model::Call { syscall: socket, args: [1, 1, 0, 0, 0, 0] };
    let reason = sandprint_model::Reason::ByHand("a test".to_owned());
    policy
        .calls
        .rules
        .get_mut(&socket)
        .unwrap()
        .insert(0, sandprint_policy::suggest::allowing(&call, reason));
    for observer in observers() {
        let (status, report) = verify(&scratch, &policy, observer, &["--", "./caller", "sockets", "3"]);
        assert_eq!((status, &report["clean"], &report["denials"]), (0, &json!(true), &json!([])));
        assert_eq!(report["passes"].as_array().unwrap().last().unwrap()["exit_code"], 0);
    }
}

#[test]
fn a_process_that_goes_on_is_told_from_one_that_ends() {
    let Some(scratch) = scratch() else { return };
    let policy = all_but(&[("socket", REFUSED)]);
    for observer in observers() {
        let next = |words: &[&str]| {
            let (status, report) =
                verify(&scratch, &policy, observer, &[&["--", "./caller"], words].concat());
            (status, report["denials"][0]["next"].clone())
        };
        assert_eq!(next(&["linger"]), (3, json!("went-on")), "{observer}");
        // What ends within 200 ms ended of it, and a busy machine may take longer: one of a few is enough.
        let ends = (0..5).any(|_| next(&["sockets", "1"]) == (3, json!("ended")));
        assert!(ends, "{observer}: {:?}", next(&["sockets", "1"]));
    }
}

#[test]
fn a_clean_run_is_status_0_and_leaves_the_commands_output_alone() {
    let Some(scratch) = scratch().filter(|_| can_notify()) else { return };
    scratch.policy(&all_but(&[("socket", REFUSED)]));
    scratch.write("input", "12345");
    let mut command = scratch.sandprint(&[
        "profile",
        "verify",
        "-p",
        "policy",
        "--observer",
        "notify",
        "--",
        "./caller",
        "count",
    ]);
    // Standard input is rewound for the second pass.
    let ended = Ended::of(&command.stdin(File::open(scratch.path("input")).unwrap()).output().unwrap());
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "5\n5\n"));
    assert!(
        ended.stderr.starts_with("Nothing was refused; the command ended with status 0\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn with_all_a_refused_call_happens_and_is_still_reported() {
    let Some(scratch) = scratch().filter(|_| can_notify()) else { return };
    let (call, name) =
        if cfg!(target_arch = "aarch64") { ("mkdirat", "mkdirat") } else { ("mkdir", "mkdir") };
    let policy = all_but(&[(call, Action::KillProcess)]);
    let (status, report) = verify(&scratch, &policy, "auto", &["--all", "--", "./caller", "mkdir", "made"]);
    assert_eq!((status, &report["refused"], &report["denials"][0]["name"]), (3, &json!(1), &json!(name)));
    assert_eq!(report["denials"][0]["next"], "let-go-on");
    assert_eq!(report["passes"].as_array().unwrap().len(), 1);
    assert!(scratch.path("made").is_dir());
    fs::remove_dir(scratch.path("made")).unwrap();
    for observer in observers() {
        verify(&scratch, &policy, observer, &["--", "./caller", "mkdir", "made"]);
        assert!(!scratch.path("made").exists());
    }
}

#[test]
fn threads_and_descendants_are_told_by_process() {
    let Some(scratch) = scratch() else { return };
    let policy = all_but(&[("socket", REFUSED)]);
    for observer in observers() {
        let chain = |words: &[&str]| -> (Vec<String>, Vec<u64>) {
            let (status, report) = verify(&scratch, &policy, observer, words);
            assert_eq!((status, &report["refused"]), (3, &json!(1)), "{report:#}");
            let processes = report["denials"][0]["ancestry"].as_array().unwrap();
            (
                processes.iter().map(|process| process["comm"].as_str().unwrap().to_owned()).collect(),
                processes.iter().map(|process| process["pid"].as_u64().unwrap()).collect(),
            )
        };
        assert_eq!(chain(&["--", "./caller", "thread"]).0, ["caller"]);
        let (names, pids) = chain(&["--", "./caller", "fork"]);
        assert_eq!(names, ["caller", "caller"]);
        assert_ne!(pids[0], pids[1]);
        let (names, _) = chain(&["--", "sh", "-c", "sh -c './caller fork; true'; true"]);
        assert_eq!(names, ["sh", "sh", "caller", "caller"]);
    }
}

#[test]
fn what_a_filter_of_the_programs_own_refuses_is_told_apart() {
    let Some(scratch) = scratch() else { return };
    for observer in observers() {
        let policy = all_but(&[("mkdirat", REFUSED)]);
        let (status, report) = verify(&scratch, &policy, observer, &["--", "./caller", "own"]);
        assert_eq!((status, &report["denials"]), (0, &json!([])), "{report:#}");
        assert_eq!(report["passes"].as_array().unwrap().last().unwrap()["exit_code"], 0);
        let caveats = report["caveats"].as_array().unwrap();
        let told =
            caveats.iter().any(|caveat| caveat.as_str().unwrap().ends_with("was started under: 1 call"));
        // Who answers notifications is not asked about what another filter refuses.
        assert_eq!(told, observer == "ebpf", "{caveats:?}");
    }
}

#[test]
fn what_is_not_run_has_the_status_that_shells_give() {
    if !can_notify() {
        return;
    }
    let scratch = Scratch::of(SANDPRINT);
    scratch.policy(&all_but(&[("socket", REFUSED)]));
    scratch.write("plain", "text");
    for (words, status) in [
        (&["-p", "policy", "--", "./plain"][..], 126),
        (&["-p", "policy", "--", "no-such-command"], 127),
        (&["-p", "absent", "--", "true"], 125),
        (&["-p", "policy"], 2),
        (&["--", "true"], 2),
    ] {
        let ended = scratch.profile(&[&["verify"], words].concat());
        assert_eq!((ended.status, ended.stdout.as_str()), (status, ""), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains("\nhint: "), "{}", ended.stderr);
    }
}

#[test]
fn no_rights_are_needed() {
    let Some(scratch) = scratch().filter(|_| can_notify()) else { return };
    scratch.policy(&all_but(&[("socket", REFUSED)]));
    fs::set_permissions(scratch.root(), fs::Permissions::from_mode(0o777)).unwrap();
    if !can_become(&AS_NOBODY, SANDPRINT) {
        return;
    }
    let as_nobody = |words: &[&str]| {
        let words = [&AS_NOBODY[1..], &[SANDPRINT], words].concat();
        Ended::of(&scratch.program(AS_NOBODY[0], &words).output().unwrap())
    };
    let verify = ["profile", "verify", "-p", "policy", "--", "./caller", "sockets", "2"];
    let ended = as_nobody(&verify);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("2x  socket(AF_UNIX, SOCK_STREAM, 0)  -> errno EACCES"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("    from  socket in "), "{}", ended.stderr);
    // What was asked for is not replaced by something else.
    let ebpf = ["profile", "verify", "--observer", "ebpf", "-p", "policy", "--", "./caller", "sockets", "2"];
    let ended = as_nobody(&ebpf);
    assert_eq!((ended.status, ended.stdout.as_str()), (125, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("\nhint: leave out --observer ebpf"), "{}", ended.stderr);
}
