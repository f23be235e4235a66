//! `policy import` × everything that is no profile: a named error, a hint that fits, the right status, and nothing
//! overwritten.

use std::process::Stdio;

use crate::SANDPRINT;
use crate::traces::trace;
use sandprint_model::wire::encode_trace;
use testkit::ended::Ended;
use testkit::scratch::Scratch;

/// Of nothing that is known.
const UNKNOWN: &str = "it is no profile of a kind that is known here";
const RECORD: &str =
    "record it: `sandprint profile run -o TRACE -- FILE`, and generate a policy of the trace";
const SAY: &str = "`--from` says what it is: bpf, docker, oci or systemd";
const EMPTIED: &str = "it may have been emptied by a redirection (`> FILE`) before it was read";
const CORRECT: &str = "correct it there, or say with `--from` what the file is";
const BINARY: &str = "`--from bpf` reads a raw program; every other profile is text";
const ARRAY: &str = "give the program as `seccomp_export_bpf` writes it: an array of `struct sock_filter`";
const LITTLE: &str = "give the program as it is loaded, of a little-endian machine";
const UNIT: &str = "give a unit with `SystemCallFilter=`, or the drop-in that has it";
const NO_UNIT: &str = "the unit has no setting that filters system calls";

const OCI: &str = "{\n  \"defaultAction\": \"SCMP_ACT_ERRNO\",\n  \"syscalls\": [\n    {\"names\": [\"read\"], \"action\": \
                   \"SCMP_ACT_ALLOW\"}\n  ]\n}\n";

/// `return allow`, and the beginning of another instruction.
const CUT_PROGRAM: &[u8] = &[6, 0, 0, 0, 0, 0, 0xff, 0x7f, 6, 0, 0];
/// A load of a half-word, which seccomp refuses.
const BAD_PROGRAM: &[u8] = &[0x28, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0xff, 0x7f];
/// The beginning of an executable, with bytes of all kinds behind it.
const RANDOM: &[u8] = &[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0xff, 0xfe];

fn scratch() -> Scratch {
    let scratch = Scratch::of(SANDPRINT);
    std::fs::create_dir(scratch.path("directory")).unwrap();
    scratch.write("empty", "");
    scratch.write("blank", " \n\t\n");
    scratch.write("random", RANDOM);
    scratch.write("executable", RANDOM.repeat(8000));
    scratch.write("oci", OCI);
    scratch.write("truncated", &OCI[..90]);
    scratch.write("misspelt", OCI.replace("ALLOW", "ALLLOW"));
    scratch.write("cut", CUT_PROGRAM);
    scratch.write("bad", BAD_PROGRAM);
    scratch.write("trace", encode_trace(&trace(1, "a", &[(0, 3), (1, 2)])));
    scratch.write("policy.json", generated(&scratch, "json"));
    scratch.write("policy.toml", generated(&scratch, "toml"));
    scratch.write("log", "12:00 execve(\"/bin/ls\", [\"ls\"], 0x7ffd) = 0\n");
    scratch.write("package", "{\"name\": \"left-pad\"}");
    scratch.write("plain.service", "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n");
    scratch
}

fn generated(scratch: &Scratch, format: &str) -> String {
    scratch.run(&["profile", "generate", "-i", "trace", "-f", format]).stdout
}

/// Arguments, what is wrong, and the hint.
const CASES: &[(&[&str], &str, &str)] = &[
    (&["absent"], "failed to read `absent`: No such file or directory (os error 2)", "check the name"),
    (&["directory"], "failed to read `directory`: it is a directory", "give one of the profiles in it"),
    (&["empty"], "failed to read `empty`: it is empty", EMPTIED),
    (&["--from", "bpf", "empty"], "failed to read `empty`: it is empty", EMPTIED),
    (&["blank"], "failed to import `blank`: it is empty", EMPTIED),
    (&["--from", "systemd", "blank"], "failed to import `blank`: it is empty", EMPTIED),
    (
        &["truncated"],
        "failed to import `truncated`: a string that does not end on its line, at line 4, column 36",
        CORRECT,
    ),
    (
        &["--from", "docker", "truncated"],
        "failed to import `truncated`: a string that does not end on its line, at line 4, column 36",
        CORRECT,
    ),
    (
        &["misspelt"],
        "failed to import `misspelt`: `SCMP_ACT_ALLLOW` is no action, at line 4, column 35",
        CORRECT,
    ),
    (&["random"], "failed to import `random`: it is no profile but a program", RECORD),
    (&["--from", "oci", "random"], "failed to import `random`: it is no text: byte 8 is not UTF-8", BINARY),
    (
        &["--from", "docker", "random"],
        "failed to import `random`: it is no text: byte 8 is not UTF-8",
        BINARY,
    ),
    (
        &["--from", "systemd", "random"],
        "failed to import `random`: it is no text: byte 8 is not UTF-8",
        BINARY,
    ),
    (
        &["--from", "bpf", "random"],
        "failed to import `random`: it has 10 bytes, and instructions of classic BPF have 8 each",
        ARRAY,
    ),
    (&["executable"], "failed to import `executable`: it is no profile but a program", RECORD),
    (
        &["--from", "bpf", "executable"],
        "failed to import `executable`: the kernel would refuse the program: a filter has 1 to 4096 instructions, and this \
         one has 10000",
        LITTLE,
    ),
    (&["cut"], "failed to import `cut`: UNKNOWN", SAY),
    (
        &["--from", "bpf", "cut"],
        "failed to import `cut`: it has 11 bytes, and instructions of classic BPF have 8 each",
        ARRAY,
    ),
    (
        &["--from", "bpf", "bad"],
        "failed to import `bad`: the kernel would refuse the program: instruction 0: 0x0028 is none that a seccomp filter may \
         have",
        LITTLE,
    ),
    (&["log"], "failed to import `log`: UNKNOWN", SAY),
    (&["package"], "failed to import `package`: it is no profile but JSON of another kind", SAY),
    (
        &["--from", "oci", "package"],
        "failed to import `package`: the rule has no `names`, at line 1, column 1",
        CORRECT,
    ),
    (&["plain.service"], "failed to import `plain.service`: NO_UNIT", UNIT),
    (&["--from", "systemd", "oci"], "failed to import `oci`: NO_UNIT", UNIT),
    (
        &["trace"],
        "failed to import `trace`: it is no profile but a trace",
        "this is a trace: `sandprint profile generate -i FILE -f toml` makes a policy of it",
    ),
    (
        &["policy.json"],
        "failed to import `policy.json`: it is no profile but a policy in JSON",
        "this is a policy already: `sandprint profile generate -p FILE -f toml` makes a policy file of it",
    ),
    (
        &["policy.toml"],
        "failed to import `policy.toml`: it is no profile but a policy file",
        "this is a policy file already, and can be used as it is",
    ),
];

#[test]
fn what_is_no_profile_is_named_and_nothing_is_overwritten() {
    let scratch = scratch();
    scratch.write("out", "precious");
    let before = scratch.files();
    for (arguments, error, hint) in CASES {
        let error = error.replace("NO_UNIT", NO_UNIT).replace("UNKNOWN", UNKNOWN);
        for output in [&[][..], &["-o", "out"]] {
            let ended = scratch.run(&[&["policy", "import"], output, arguments].concat());
            assert_eq!(ended, Ended::failed(1, &error, hint), "{arguments:?}");
            assert_eq!(scratch.files(), before, "{arguments:?}");
        }
    }
}

#[test]
fn standard_input_is_named() {
    let scratch = scratch();
    for (file, error, hint) in [
        ("empty", "failed to read standard input: it is empty", EMPTIED),
        ("random", "failed to import standard input: it is no profile but a program", RECORD),
    ] {
        let mut command = scratch.sandprint(&["policy", "import", "-"]);
        let input = std::fs::File::open(scratch.path(file)).unwrap();
        let output = command.stdin(Stdio::from(input)).output().unwrap();
        assert_eq!(Ended::of(&output), Ended::failed(1, &error.replace("UNKNOWN", UNKNOWN), hint));
    }
}

#[test]
fn words_that_name_nothing_are_usage_errors() {
    let scratch = scratch();
    for (arguments, error) in [
        (
            &["--from", "json", "oci"][..],
            "invalid value 'json' for '--from <FORMAT>'\n  [possible values: auto, bpf, docker, oci, systemd]",
        ),
        (
            &["--cap", "CAP_NOTHING", "oci"],
            "invalid value 'CAP_NOTHING' for '--cap <CAP>': no such capability; capabilities(7) lists them",
        ),
        (
            &["--arch", "riscv", "oci"],
            "invalid value 'riscv' for '--arch <ARCH>'\n  [possible values: aarch64, x86_64]",
        ),
        (
            &["--kernel", "new", "oci"],
            "invalid value 'new' for '--kernel <VERSION>': `new` is no kernel release (expected something like 5.10)",
        ),
    ] {
        let ended = scratch.run(&[&["policy", "import"], arguments].concat());
        assert_eq!(ended, Ended::failed(2, error, "`--help` explains it"), "{arguments:?}");
    }
}

/// The other side of the table: what the broken files were made from is taken.
#[test]
fn a_whole_profile_is_imported() {
    let scratch = scratch();
    let ended = scratch.run(&["policy", "import", "oci", "--arch", "x86_64"]);
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.stdout.contains("[[x86_64.read]]\ndo = \"allow\"\n"), "{}", ended.stdout);
}

/// Docker's own way to leave out two address families.
#[test]
fn rules_that_libseccomp_gets_wrong_are_warned_of() {
    let scratch = scratch();
    let compared = |value: u64, op| {
        format!(
            r#"{{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{{"index": 0, "value": {value}, "op": "{op}"}}]}}"#
        )
    };
    let below = compared(38, "SCMP_CMP_LT");
    let entries = [below.clone(), compared(39, "SCMP_CMP_EQ"), compared(40, "SCMP_CMP_GT")];
    let whole = |entries: &[String]| {
        format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{}]}}"#,
            entries.join(", ")
        )
    };
    let warned = |entries: &[String]| {
        scratch.write("profile", whole(entries));
        let ended = scratch.run(&["policy", "import", "--from", "oci", "--arch", "x86_64", "profile"]);
        assert_eq!(ended.status, 0, "{ended:?}");
        let is_warning = |line: &&str| line.starts_with("warning: ");
        ended.stderr.lines().filter(is_warning).map(str::to_owned).collect::<Vec<_>>()
    };
    let warning = "warning: the profile may not be enforced as it says: socket: libseccomp before 2.6.1 may \
                   merge its rules wrongly, so that more runs, or never come to an end with them";
    assert_eq!(warned(&entries), [""; 0], "with one upper half it merges them rightly");
    let entries = [compared(3 << 32 | 7, "SCMP_CMP_LT"), compared(5 << 32 | 9, "SCMP_CMP_GT")];
    assert_eq!(warned(&entries), [warning]);
    assert_eq!(warned(&[below]), [""; 0]);
}
