//! `--append` between processes: any number may append to one file at the same time, and all get in.

use std::collections::BTreeSet;
use std::process::Stdio;

use crate::SANDPRINT;
use crate::machine::mode_and_owner;
use crate::traces::trace;
use sandprint_model::wire::encode_trace;
use testkit::ended::Ended;
use testkit::scratch::Scratch;

/// A strace log of one process, with one call that only this log has.
fn log(number: u32) -> String {
    format!(
        "{pid} execve(\"/bin/app\", [\"app\"], 0x7ffd /* 3 vars */) = 0\n\
         {pid} read(3, \"\", {number}) = 0\n\
         {pid} exit_group(0) = ?\n\
         {pid} +++ exited with 0 +++\n",
        pid = 1000 + number
    )
}

#[test]
fn every_process_that_appends_at_once_gets_in() {
    const WRITERS: u32 = 24;
    let scratch = Scratch::of(SANDPRINT);
    let children: Vec<_> = (0..WRITERS)
        .map(|number| {
            let (file, name) = (format!("{number}.strace"), format!("run-{number}"));
            scratch.write(&file, log(number));
            scratch
                .sandprint(&["profile", "import", "--from", "strace", &file, "-o", "all", "--append"])
                .args(["--name", &name])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        assert_eq!(Ended::of(&child.wait_with_output().unwrap()).without_words(), Ended::printed(""));
    }
    let names: BTreeSet<String> =
        scratch.trace("all").runs.into_values().map(|run| run.name.unwrap()).collect();
    assert_eq!(names, (0..WRITERS).map(|number| format!("run-{number}")).collect());
    let files: Vec<String> = scratch.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(files.iter().filter(|name| !name.ends_with(".strace")).collect::<Vec<_>>(), ["all"]);
    assert_eq!(mode_and_owner(&scratch.path("all")).0, 0o600);
}

#[test]
fn appending_the_same_recording_twice_changes_nothing() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("log", log(1));
    let append = || {
        let arguments = ["profile", "import", "--from", "strace", "log", "-o", "t", "--append"];
        assert_eq!(scratch.run(&arguments).without_words(), Ended::printed(""));
        scratch.read("t")
    };
    assert_eq!(append(), append());
}

#[test]
fn appending_needs_a_trace_in_a_file() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("log", log(1));
    scratch.write("foreign", "{}");
    let before = scratch.files();
    for (output, status, error, hint) in [
        (
            "foreign",
            1,
            "cannot append: failed to read `foreign` as a trace: this is no sandprint trace: it is JSON of another kind",
            "nothing was changed: give another file, or remove this one first",
        ),
        (
            "/dev/null",
            1,
            "cannot append to `/dev/null`: it is not a regular file",
            "`--append` merges into a trace file; leave it out, or name a file",
        ),
    ] {
        let arguments = ["profile", "import", "--from", "strace", "log", "--append", "-o", output];
        assert_eq!(scratch.run(&arguments), Ended::failed(status, error, hint));
        assert_eq!(scratch.files(), before);
    }
}

#[test]
fn without_append_a_trace_is_replaced() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("log", log(1));
    scratch.write("t", encode_trace(&trace(9, "old", &[(5, 5)])));
    let ended = scratch.run(&["profile", "import", "--from", "strace", "log", "-o", "t"]);
    assert_eq!(ended.without_words(), Ended::printed(""));
    let names: Vec<_> = scratch.trace("t").runs.into_values().map(|run| run.name).collect();
    assert_eq!(names, [None]);
}
