//! Other tools' recordings, and the corpus that was made of them.

use std::path::{Path, PathBuf};

use crate::SANDPRINT;
use testkit::ended::Ended;
use testkit::scratch::Scratch;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus")
}

/// The strace logs of the corpus, in name order.
fn logs() -> Vec<PathBuf> {
    let mut logs: Vec<_> =
        std::fs::read_dir(corpus().join("strace")).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.sort();
    logs
}

#[test]
fn every_log_of_the_corpus_gives_the_trace_that_is_kept_of_it() {
    let scratch = Scratch::of(SANDPRINT);
    let logs = logs();
    assert!(logs.len() >= 4);
    for log in logs {
        let name = log.file_stem().unwrap().to_str().unwrap();
        let arguments =
            ["profile", "import", "--arch", "x86_64", "--from", "strace", "--name", name, "-o", "t"];
        let ended = Ended::of(&scratch.sandprint(&arguments).arg(&log).output().unwrap());
        assert_eq!((ended.status, ended.stdout.as_str()), (0, ""), "{name}");
        std::fs::copy(corpus().join(format!("traces/{name}.json")), scratch.path("kept")).unwrap();
        assert_eq!(scratch.trace("t"), scratch.trace("kept"), "{name}");
    }
}

/// Every name that a log has before an opening parenthesis; the oracle for the importer, from outside.
fn names_in(log: &str) -> Vec<String> {
    let mut names: Vec<String> = log
        .lines()
        .filter_map(|line| {
            let call = line.split_once(' ')?.1.trim_start();
            let call = call.strip_prefix("<... ").unwrap_or(call);
            let name: String = call.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            (!name.is_empty()).then_some(name)
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn no_call_of_a_log_is_lost_on_the_way_to_a_profile() {
    let scratch = Scratch::of(SANDPRINT);
    for log in logs() {
        let arguments = ["profile", "import", "--arch", "x86_64", "--from", "strace", "-o", "t"];
        assert!(scratch.sandprint(&arguments).arg(&log).status().unwrap().success());
        let expected = names_in(&std::fs::read_to_string(&log).unwrap());
        let table = scratch.run(&["profile", "show", "--format", "tsv", "t"]).stdout;
        let mut shown: Vec<&str> =
            table.lines().skip(1).map(|line| line.split('\t').nth(2).unwrap()).collect();
        shown.sort_unstable();
        assert_eq!(shown, expected, "{}", log.display());
        let profile = scratch.run(&["profile", "generate", "-i", "t", "-f", "oci", "--no-baseline"]);
        assert_eq!(profile.status, 0, "{}", profile.stderr);
        let profile: serde_json::Value = serde_json::from_str(&profile.stdout).unwrap();
        let mut allowed: Vec<&str> = profile["syscalls"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|group| group["action"] == "SCMP_ACT_ALLOW")
            .flat_map(|group| group["names"].as_array().unwrap())
            .map(|name| name.as_str().unwrap())
            .collect();
        allowed.sort_unstable();
        assert_eq!(allowed, expected, "{}", log.display());
    }
}

#[test]
fn every_command_reads_every_trace_of_the_corpus() {
    let scratch = Scratch::of(SANDPRINT);
    let mut traces: Vec<_> =
        std::fs::read_dir(corpus().join("traces")).unwrap().map(|entry| entry.unwrap().path()).collect();
    traces.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    assert!(traces.len() >= 4);
    for path in &traces {
        let path = path.to_str().unwrap();
        for arguments in [
            &["show", path][..],
            &["show", "--by", "image", path],
            &["show", "--format", "json", "--by", "image", path],
            &["generate", "-f", "json", "-i", path],
            &["generate", "-f", "systemd", "--portable", "--runtime", "systemd", "-i", path],
            &["merge", path],
            &["diff", path, path],
            &["subtract", path, path],
            &["coverage", path],
        ] {
            let ended = scratch.run(&[&["profile"], arguments].concat());
            assert_eq!(ended.status, 0, "{arguments:?}: {}", ended.stderr);
            assert!(!ended.stdout.is_empty());
        }
    }
}

#[test]
fn every_kind_of_recording_becomes_a_trace() {
    let scratch = Scratch::of(SANDPRINT);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sandprint-model/tests/data");
    for (from, file) in [
        ("strace", "strace/pipe.log"),
        ("audit", "audit/kernel.log"),
        ("sandprint-0.1", "sandprint01/run.json"),
    ] {
        let mut import = scratch.sandprint(&["profile", "import", "--from", from, "--arch", "x86_64"]);
        let imported = Ended::of(&import.arg(data.join(file)).output().unwrap());
        assert_eq!(imported.status, 0, "{from}: {}", imported.stderr);
        scratch.write("t", &imported.stdout);
        insta::assert_snapshot!(format!("import-{from}"), scratch.run(&["profile", "show", "t"]).all());
        // What is said at once is what the trace keeps.
        let shown = scratch.run(&["profile", "show", "t"]).stdout;
        assert!(shown.ends_with(&imported.stderr), "{from}: {}", imported.stderr);
        // Standard input will do as well.
        let log = std::fs::File::open(data.join(file)).unwrap();
        let mut import = scratch.sandprint(&["profile", "import", "--from", from, "--arch", "x86_64", "-"]);
        assert_eq!(Ended::of(&import.stdin(log).output().unwrap()), imported);
    }
}

#[test]
fn what_is_no_recording_is_a_named_error() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("empty", "");
    scratch.write("blank", "\n\n");
    scratch.write("text", "Dear Sir or Madam\n");
    scratch.write("random", [0xff, 0xfe, 0, 1, 2, 0x80, b'\n', 0]);
    scratch.write("newer", "{\"schema_version\": 2, \"events\": []}");
    scratch.write("cut", "{\"schema_version\": 1, \"events\": [");
    let before = scratch.files();
    for (from, file) in [
        ("strace", "empty"),
        ("strace", "blank"),
        ("strace", "text"),
        ("strace", "random"),
        ("strace", "absent"),
        ("audit", "empty"),
        ("audit", "blank"),
        ("audit", "text"),
        ("audit", "random"),
        ("sandprint-0.1", "empty"),
        ("sandprint-0.1", "blank"),
        ("sandprint-0.1", "text"),
        ("sandprint-0.1", "random"),
        ("sandprint-0.1", "newer"),
        ("sandprint-0.1", "cut"),
    ] {
        let ended = scratch.run(&["profile", "import", "--from", from, file, "-o", "out"]);
        assert_eq!(ended.status, 1, "{from} {file}");
        insta::assert_snapshot!(format!("import-{from}-{file}"), ended.all());
        assert_eq!(scratch.files(), before, "{from} {file}");
    }
}

#[test]
fn what_was_not_understood_is_said_at_once() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write(
        "log",
        "7 execve(\"/bin/app\", [\"app\"], 0x7ffd /* 3 vars */) = 0\n7 no_such_call(1) = 0\nnonsense\n\
         7 exit_group(0) = ?\n7 +++ exited with 0 +++\n",
    );
    let ended = scratch.run(&["profile", "import", "--arch", "x86_64", "--from", "strace", "log", "-o", "t"]);
    insta::assert_snapshot!("import-not-understood", ended.all());
    assert_eq!(ended.status, 0);
    assert_eq!(scratch.run(&["profile", "generate", "-i", "t", "-f", "oci"]).status, 1);
}
