//! What the commands that only read traces print, word for word, and what they promise of it.

use std::fs;
use std::path::PathBuf;

use sandprint_model::{Gap, GapKind, RunId, Trace};
use sandprint_policy::cbpf;
use sandprint_policy::emit::FORMATS;

use crate::SANDPRINT;
use crate::traces::{trace, trace_with_arguments};
use sandprint_model::wire::encode_trace;
use testkit::ended::Ended;
use testkit::scratch::Scratch;

/// Two runs that share a call, and one that brings nothing new.
fn scratch_with_traces() -> Scratch {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("login", encode_trace(&trace(1, "login", &[(0, 300), (1, 2), (257, 7)])));
    scratch.write("upload", encode_trace(&trace(2, "upload", &[(0, 1), (9, 4)])));
    scratch.write("idle", encode_trace(&trace(3, "idle", &[(0, 1)])));
    scratch
}

#[test]
fn every_view_of_a_trace() {
    let scratch = scratch_with_traces();
    for (name, arguments) in [
        ("show", &["profile", "show", "login"][..]),
        ("show-by-image", &["profile", "show", "--by", "image", "login"]),
        ("show-tsv", &["profile", "show", "--format", "tsv", "login"]),
        ("show-tsv-by-image", &["profile", "show", "--by", "image", "--format", "tsv", "login"]),
        ("show-json", &["profile", "show", "--format", "json", "login"]),
        ("diff", &["profile", "diff", "login", "upload"]),
        ("diff-none", &["profile", "diff", "login", "login"]),
        ("diff-json", &["profile", "diff", "--format", "json", "login", "upload"]),
        ("diff-markdown", &["profile", "diff", "--format", "markdown", "login", "upload"]),
        ("coverage", &["profile", "coverage", "login", "upload", "idle"]),
        ("coverage-json", &["profile", "coverage", "--format", "json", "login", "upload", "idle"]),
    ] {
        insta::assert_snapshot!(name, scratch.run(arguments).all());
    }
}

#[test]
fn arguments_are_shown_and_become_rules() {
    let scratch = scratch_with_traces();
    scratch.write("told-apart", encode_trace(&trace_with_arguments(4)));
    let merged = scratch.run(&["profile", "merge", "told-apart", "login", "-o", "mixed"]);
    assert_eq!(merged, Ended::printed(""));
    for (name, arguments) in [
        ("show-arguments", &["profile", "show", "told-apart"][..]),
        ("show-arguments-mixed", &["profile", "show", "--by", "image", "mixed"]),
        ("show-arguments-json", &["profile", "show", "--format", "json", "told-apart"]),
        (
            "generate-arguments",
            &[
                "profile",
                "generate",
                "--arguments",
                "--no-baseline",
                "--default-action",
                "log",
                "-f",
                "toml",
                "-i",
                "told-apart",
            ],
        ),
        (
            "generate-arguments-mixed",
            &["profile", "generate", "--arguments", "-f", "oci", "-i", "mixed", "-o", "o"],
        ),
    ] {
        insta::assert_snapshot!(name, scratch.run(arguments).all());
    }
    assert_eq!(
        scratch.run(&["profile", "generate", "--arguments", "-f", "oci", "-i", "login"]),
        Ended::failed(
            1,
            "failed to make rules about arguments: no run of the trace recorded them",
            "record it without `--detail calls`, or leave out `--arguments`"
        )
    );
}

#[test]
fn tab_separated_values_are_an_interface() {
    let scratch = scratch_with_traces();
    assert_eq!(
        scratch.run(&["profile", "show", "login", "--format", "tsv"]),
        Ended::printed(
            "abi\tnr\tname\tcount\nx86_64\t0\tread\t300\nx86_64\t1\twrite\t2\nx86_64\t257\topenat\t7\n"
        )
    );
    assert_eq!(
        scratch.run(&["profile", "show", "login", "--by", "image", "--format", "tsv"]),
        Ended::printed(
            "image\tabi\tnr\tname\tcount\n\
             /bin/app\tx86_64\t0\tread\t300\n\
             /bin/app\tx86_64\t1\twrite\t2\n\
             /bin/app\tx86_64\t257\topenat\t7\n"
        )
    );
}

#[test]
fn diff_ends_with_3_only_where_sets_differ_and_that_was_asked_for() {
    let scratch = scratch_with_traces();
    scratch.write("login-often", encode_trace(&trace(4, "login", &[(0, 9000), (1, 1), (257, 1)])));
    for (arguments, status) in [
        (&["login", "upload"][..], 0),
        (&["--exit-code", "login", "upload"], 3),
        (&["--exit-code", "login", "login"], 0),
        (&["--exit-code", "login", "login-often"], 0),
        (&["--exit-code", "--format", "json", "upload", "login"], 3),
    ] {
        let ended = scratch.run(&[&["profile", "diff"], arguments].concat());
        assert_eq!((ended.status, ended.stderr.as_str()), (status, ""), "{arguments:?}");
    }
}

#[test]
fn merging_is_a_join_of_files() {
    let scratch = scratch_with_traces();
    let merge = |files: &[&str]| {
        let ended = scratch.run(&[&["profile", "merge"], files].concat());
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        ended.stdout
    };
    let all = merge(&["login", "upload", "idle"]);
    for files in [&["idle", "upload", "login"][..], &["login", "login", "upload", "idle", "upload"]] {
        assert_eq!(merge(files), all, "{files:?}");
    }
    scratch.write("pair", merge(&["upload", "idle"]));
    assert_eq!(merge(&["pair", "login"]), all);
    assert_eq!(merge(&["login"]), scratch.read("login"));
}

#[test]
fn a_trace_may_be_merged_into_itself() {
    let scratch = scratch_with_traces();
    assert_eq!(scratch.run(&["profile", "merge", "login", "upload", "-o", "login"]), Ended::printed(""));
    assert_eq!(scratch.trace("login").runs.len(), 2);
}

#[test]
fn thousands_of_traces_are_merged() {
    let scratch = Scratch::of(SANDPRINT);
    let mut expected = Trace::default();
    let names: Vec<String> = (0..2000_u32)
        .map(|number| {
            let one = trace(u128::from(number), "x", &[(number % 300, 1)]);
            scratch.write(&number.to_string(), encode_trace(&one));
            expected.merge(one);
            number.to_string()
        })
        .collect();
    let mut arguments = vec!["profile", "merge", "-o", "all"];
    arguments.extend(names.iter().map(String::as_str));
    assert_eq!(scratch.run(&arguments), Ended::printed(""));
    assert_eq!(scratch.trace("all"), expected);
}

#[test]
fn subtracting_leaves_what_the_workload_adds() {
    let scratch = scratch_with_traces();
    let calls = |file: &str| {
        let calls = scratch.trace(file).syscalls();
        calls.into_iter().map(|syscall| syscall.nr).collect::<Vec<_>>()
    };
    assert_eq!(scratch.run(&["profile", "subtract", "login", "upload", "-o", "rest"]), Ended::printed(""));
    assert_eq!(calls("rest"), [1, 257]);
    assert_eq!(
        scratch.run(&["profile", "subtract", "login", "rest", "idle", "-o", "nothing"]),
        Ended::printed("")
    );
    assert_eq!(calls("nothing"), [] as [u32; 0]);
    let ended = scratch.run(&["profile", "generate", "-i", "nothing", "-f", "oci"]);
    assert_eq!(
        ended,
        Ended::failed(
            1,
            "failed to make a profile: the trace holds no system call, and a profile without one starts nothing",
            "give the trace of a run, not of a difference; `profile show` says what is in it"
        )
    );
}

#[test]
fn commands_can_be_put_into_a_pipe() {
    let scratch = scratch_with_traces();
    let script =
        "$0 profile merge login upload | $0 profile subtract - idle | $0 profile show --format tsv -";
    let output = scratch.program("sh", &["-c", script, SANDPRINT]).output().unwrap();
    assert_eq!(
        Ended::of(&output),
        Ended::printed(
            "abi\tnr\tname\tcount\nx86_64\t1\twrite\t2\nx86_64\t9\tmmap\t4\nx86_64\t257\topenat\t7\n"
        )
    );
}

#[test]
fn standard_input_is_read_once() {
    let scratch = scratch_with_traces();
    for arguments in [
        &["merge", "-", "login", "-"][..],
        &["diff", "-", "-"],
        &["subtract", "-", "-"],
        &["coverage", "-", "-"],
        &["generate", "-f", "oci", "-i", "-", "-i", "-"],
    ] {
        let ended = scratch.run(&[&["profile"], arguments].concat());
        let expected = Ended::failed(
            2,
            "standard input cannot be read more than once",
            "give `-` once, and files for the other traces",
        );
        assert_eq!(ended, expected, "{arguments:?}");
    }
}

/// Every format that `--help` lists.
fn formats(scratch: &Scratch) -> Vec<String> {
    let help = scratch.run(&["profile", "generate", "--help"]).stdout;
    let listed = help.lines().skip_while(|line| !line.contains("--format <FORMAT>"));
    listed
        .skip_while(|line| !line.contains("Possible values"))
        .take_while(|line| !line.trim().is_empty())
        .filter_map(|line| line.trim().strip_prefix("- ")?.split(':').next().map(str::to_owned))
        .collect()
}

#[test]
fn every_format_is_generated_and_the_same_each_time() {
    let scratch = scratch_with_traces();
    let formats = formats(&scratch);
    assert_eq!(formats, FORMATS.iter().map(|format| format.name()).collect::<Vec<_>>());
    for format in &formats {
        let generate = |arguments: &[&str]| {
            let arguments = [&["profile", "generate", "--format", format], arguments].concat();
            scratch.sandprint(&arguments).output().unwrap()
        };
        let one = generate(&["-i", "login", "-i", "upload"]);
        let stderr = String::from_utf8(one.stderr.clone()).unwrap();
        assert_eq!(one.status.code(), Some(0), "{format}: {stderr}");
        match String::from_utf8(one.stdout.clone()) {
            Ok(text) => assert!(text.contains("openat") && text.contains("mmap"), "{format}"),
            Err(error) => {
                assert_eq!(format, "bpf");
                let program = cbpf::Program::from_bytes(error.as_bytes()).unwrap();
                assert_eq!(cbpf::validate(&program), Ok(()));
            }
        }
        let heading = |line: &str| line.starts_with("note: ") || line.starts_with("warning: ");
        assert!(stderr.lines().all(heading), "{format}: {stderr}");
        assert_eq!(generate(&["--input", "upload", "login"]), one, "{format}");
    }
}

#[test]
fn the_seeds_command_lines_work_as_they_are_written() {
    let scratch = scratch_with_traces();
    fs::copy(scratch.path("login"), scratch.path("trace.json")).unwrap();
    let path = PathBuf::from(SANDPRINT).parent().unwrap().display().to_string();
    let output = scratch
        .program("sh", &["-c", "sandprint profile generate --input trace.json --format oci > seccomp.json"])
        .env("PATH", format!("{path}:/usr/bin:/bin"))
        .output()
        .unwrap();
    assert!(output.status.success());
    let profile: serde_json::Value = serde_json::from_str(&scratch.read("seccomp.json")).unwrap();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let run = scratch.run(&["profile", "run", "--", "/nonexistent/command"]);
    assert_ne!(run.status, 2, "{}", run.stderr);
}

#[test]
fn an_incomplete_recording_is_refused_until_it_is_accepted() {
    let scratch = Scratch::of(SANDPRINT);
    let mut incomplete = trace(1, "x", &[(0, 1)]);
    for (kind, detail) in [(GapKind::AttachedMidRun, None), (GapKind::CallsLost, Some("counts"))] {
        let gap = Gap { kind, run: RunId::from_bits(1), detail: detail.map(str::to_owned) };
        incomplete.note_gap(gap, 3);
    }
    scratch.write("t", encode_trace(&incomplete));
    let refused = scratch.run(&["profile", "generate", "-i", "t", "-f", "oci", "-o", "out"]);
    insta::assert_snapshot!("generate-incomplete", refused.all());
    assert_eq!(refused.status, 1);
    assert!(!scratch.path("out").exists());
    let accepted = scratch.run(&["profile", "generate", "-i", "t", "-f", "oci", "--allow-incomplete"]);
    assert_eq!(accepted.status, 0);
    assert!(accepted.stderr.contains("note: "), "{}", accepted.stderr);
}

#[test]
fn options_of_generate_reach_the_profile() {
    let scratch = scratch_with_traces();
    let generate = |options: &[&str]| {
        let ended = scratch.run(&[&["profile", "generate", "-i", "login", "-f", "oci"], options].concat());
        assert_eq!(ended.status, 0, "{options:?}: {}", ended.stderr);
        serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap()
    };
    for (action, expected) in [
        ("errno", "SCMP_ACT_ERRNO"),
        ("kill", "SCMP_ACT_KILL_PROCESS"),
        ("kill-thread", "SCMP_ACT_KILL_THREAD"),
        ("trap", "SCMP_ACT_TRAP"),
        ("log", "SCMP_ACT_LOG"),
    ] {
        assert_eq!(generate(&["--default-action", action])["defaultAction"], expected);
    }
    let allowed = |options: &[&str]| {
        let profile = generate(options);
        let mut names: Vec<String> = profile["syscalls"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|group| group["action"] == "SCMP_ACT_ALLOW")
            .flat_map(|group| group["names"].as_array().unwrap().clone())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(allowed(&["--no-baseline"]), ["openat", "read", "write"]);
    let baseline = allowed(&[]);
    assert!(baseline.contains(&"exit_group".to_owned()), "{baseline:?}");
    let portable = allowed(&["--portable", "--no-baseline"]);
    assert!(portable.contains(&"open".to_owned()), "{portable:?}");
    for runtime in ["runc", "crun", "systemd", "bwrap"] {
        let with = allowed(&["--runtime", runtime, "--no-baseline"]);
        assert!(with.contains(&"execve".to_owned()), "{runtime}: {with:?}");
    }
    // The launchers of OCI profiles.
    let two = allowed(&["--runtime", "runc", "--runtime", "crun", "--no-baseline"]);
    assert_eq!(allowed(&["--runtime", "any", "--no-baseline"]), two);
    for runtime in ["runc", "crun"] {
        let one = allowed(&["--runtime", runtime, "--no-baseline"]);
        assert!(one.len() < two.len() && one.iter().all(|call| two.contains(call)), "{runtime}: {one:?}");
    }
    assert_ne!(generate(&["--kernel", "5.10"]), generate(&["--kernel", "6.1"]));
}

#[test]
fn traces_are_given_with_and_without_an_option() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("a", encode_trace(&trace(1, "a", &[(0, 3), (59, 1)])));
    scratch.write("b", encode_trace(&trace(2, "b", &[(9, 4)])));
    let by_option = scratch.run(&["profile", "generate", "-f", "oci", "-i", "a", "-i", "b"]);
    assert_eq!(by_option.status, 0, "{}", by_option.stderr);
    for line in ["a b -f oci", "-f oci a b", "a -f oci -i b", "-i a b -f oci"] {
        let words: Vec<&str> = ["profile", "generate"].into_iter().chain(line.split(' ')).collect();
        assert_eq!(scratch.run(&words), by_option, "{line}");
    }
    let quiet = scratch.run(&["profile", "generate", "-q", "-f", "oci", "a", "b"]);
    assert_eq!((quiet.stdout, quiet.stderr.contains("note:")), (by_option.stdout, false));
}

#[test]
fn a_filter_that_was_there_already_is_answered_with_how_to_record_without() {
    let scratch = Scratch::of(SANDPRINT);
    let mut filtered = trace(1, "a", &[(0, 3), (59, 1)]);
    filtered.note_gap(Gap { kind: GapKind::SeccompActive, run: RunId::from_bits(1), detail: None }, 1);
    scratch.write("a", encode_trace(&filtered));
    let ended = scratch.run(&["profile", "generate", "-f", "oci", "a"]);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("`--security-opt seccomp=unconfined`"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("`profile run`"), "{}", ended.stderr);
}
