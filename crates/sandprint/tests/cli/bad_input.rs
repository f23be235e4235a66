//! Every command that reads a trace × everything that is no trace: a named error, a hint, the right
//! status, and nothing overwritten.

use crate::SANDPRINT;
use crate::traces::trace;
use sandprint_model::wire::encode_trace;
use testkit::ended::Ended;
use testkit::scratch::Scratch;

/// What is wrong with a file, how it is made, and what is then said of it.
struct Bad {
    file: &'static str,
    content: Option<Vec<u8>>,
    error: &'static str,
    hint: &'static str,
}

const NOT_A_TRACE: &str = "give a file that `sandprint profile run -o FILE` wrote; `sandprint profile import` reads logs of strace \
     and audit";
const CUT_OFF: &str = "the file was cut off, perhaps by a copy that did not end; copy or record it again";

fn bad_files() -> Vec<Bad> {
    let good = encode_trace(&trace(1, "a", &[(0, 3), (1, 2)]));
    let half = good.len() / 2;
    let bad = |file, content: &[u8], error, hint| Bad { file, content: Some(content.to_vec()), error, hint };
    vec![
        Bad {
            file: "absent",
            content: None,
            error: "failed to read `absent`: No such file or directory (os error 2)",
            hint: "check the name; `sandprint profile run -o FILE -- CMD` records a trace",
        },
        Bad {
            file: "directory",
            content: None,
            error: "failed to read `directory`: it is a directory",
            hint: "give the trace files in it, such as DIRECTORY/*.json",
        },
        bad(
            "empty",
            b"",
            "failed to read `empty`: it is empty",
            "it may have been emptied by a redirection (`> FILE`) before it was read; record it again",
        ),
        bad("blank", b" \n", "failed to read `blank` as a trace: the trace is empty", CUT_OFF),
        bad(
            "truncated",
            &good.as_bytes()[..half],
            "failed to read `truncated` as a trace: the trace ends too early, at line LINE, column COLUMN",
            CUT_OFF,
        ),
        bad(
            "random",
            &[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0xff, 0xfe],
            "failed to read `random` as a trace: it is a program",
            "record it: `sandprint profile run -o TRACE -- FILE`, and generate a policy of the trace",
        ),
        bad(
            "log",
            b"12:00 execve(\"/bin/ls\", [\"ls\"], 0x7ffd) = 0\n",
            "failed to read `log` as a trace: the trace is no valid JSON at line 1, column 3: trailing characters",
            NOT_A_TRACE,
        ),
        bad(
            "oci",
            b"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": []}",
            "failed to read `oci` as a trace: this is no sandprint trace: it looks like a seccomp profile of a container runtime",
            "a profile cannot be turned back into a trace: give the trace that it was made from",
        ),
        bad(
            "package",
            b"{\"name\": \"left-pad\"}",
            "failed to read `package` as a trace: this is no sandprint trace: it is JSON of another kind",
            "give a file that `sandprint profile run -o FILE` wrote",
        ),
        bad(
            "upstream",
            b"{\"schema_version\": 1, \"events\": []}",
            "failed to read `upstream` as a trace: this is no sandprint trace: it looks like a trace of sandprint 0.1, which can be imported",
            "`sandprint profile import --from sandprint-0.1 FILE` makes a trace of it",
        ),
        bad(
            "newer",
            good.replacen("\"version\": 1", "\"version\": 2", 1).as_bytes(),
            "failed to read `newer` as a trace: this trace has version 2; this sandprint reads up to 1: get a newer sandprint",
            "read it with the sandprint that wrote it, or a newer one",
        ),
    ]
}

/// A line and a column depend on the layout, which other tests hold.
fn without_place(text: &str) -> String {
    match text.split_once(" ends too early, at line ") {
        Some((before, after)) => {
            let rest = after.split_once('\n').unwrap().1;
            format!("{before} ends too early, at line LINE, column COLUMN\n{rest}")
        }
        None => text.to_owned(),
    }
}

#[test]
fn every_reader_names_what_is_wrong_and_overwrites_nothing() {
    let commands: &[(&[&str], i32)] = &[
        (&["profile", "show", "BAD"], 1),
        (&["profile", "show", "--format", "tsv", "BAD"], 1),
        (&["profile", "show", "--format", "json", "BAD"], 1),
        (&["profile", "generate", "-f", "oci", "-i", "BAD", "-o", "out"], 1),
        (&["profile", "generate", "-f", "json", "-i", "good", "-i", "BAD", "-o", "out"], 1),
        (&["profile", "merge", "BAD", "-o", "out"], 1),
        (&["profile", "merge", "good", "BAD", "-o", "good"], 1),
        (&["profile", "diff", "BAD", "good"], 1),
        (&["profile", "diff", "--exit-code", "good", "BAD"], 1),
        (&["profile", "subtract", "BAD", "good", "-o", "out"], 1),
        (&["profile", "subtract", "good", "BAD", "-o", "out"], 1),
        (&["profile", "coverage", "good", "BAD"], 1),
        (&["profile", "coverage", "--format", "json", "BAD"], 1),
    ];
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("good", encode_trace(&trace(1, "a", &[(0, 3)])));
    scratch.write("out", "precious");
    std::fs::create_dir(scratch.path("directory")).unwrap();
    let bad_files = bad_files();
    for bad in &bad_files {
        if let Some(content) = &bad.content {
            scratch.write(bad.file, content);
        }
    }
    let before = scratch.files();
    for bad in &bad_files {
        for (command, status) in commands {
            let command: Vec<&str> =
                command.iter().map(|word| if *word == "BAD" { bad.file } else { *word }).collect();
            let mut ended = scratch.run(&command);
            ended.stderr = without_place(&ended.stderr);
            assert_eq!(ended, Ended::failed(*status, bad.error, bad.hint), "{command:?}");
            assert_eq!(scratch.files(), before, "{command:?}");
        }
    }
}

#[test]
fn appending_to_what_is_no_trace_is_refused_before_the_command_runs() {
    let scratch = Scratch::of(SANDPRINT);
    for bad in bad_files() {
        let Some(content) = bad.content else { continue };
        scratch.write(bad.file, content);
        let before = scratch.files();
        let mut ended =
            scratch.run(&["profile", "run", "--append", "-o", bad.file, "--", "touch", "the-command-ran"]);
        ended.stderr = without_place(&ended.stderr);
        let hint = "nothing was changed: give another file, or remove this one first";
        assert_eq!(ended, Ended::failed(125, &format!("cannot append: {}", bad.error), hint), "{}", bad.file);
        assert_eq!(scratch.files(), before);
    }
}

#[test]
fn standard_input_is_named_in_errors() {
    let scratch = Scratch::of(SANDPRINT);
    let ended = scratch.run(&["profile", "show", "-"]);
    assert_eq!(
        ended,
        Ended::failed(
            1,
            "failed to read standard input: it is empty",
            "it may have been emptied by a redirection (`> FILE`) before it was read; record it again"
        )
    );
}

#[test]
fn an_endless_file_does_not_fill_the_memory() {
    let scratch = Scratch::of(SANDPRINT);
    let ended = scratch.run(&["profile", "show", "/dev/zero"]);
    assert_eq!(
        ended,
        Ended::failed(
            1,
            "failed to read `/dev/zero`: it is larger than 268435456 bytes",
            "sandprint writes no such file; check the name"
        )
    );
}

#[test]
fn names_of_files_reach_the_terminal_escaped() {
    let scratch = Scratch::of(SANDPRINT);
    let ended = scratch.run(&["profile", "show", "\u{1b}[2J\u{7}\u{202e}x"]);
    assert_eq!(
        ended.stderr.lines().next().unwrap(),
        "error: failed to read `\\x1b[2J\\x07\\xe2\\x80\\xaex`: No such file or directory (os error 2)"
    );
    let ended = scratch.run(&["profile", "show", "x", "\u{1b}[2J"]);
    assert_eq!(ended.status, 2);
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
}
