//! Limits of our own process: each meets us as an error with a hint, and leaves nothing behind.

use crate::SANDPRINT;
use crate::traces::trace;
use sandprint_model::wire::encode_trace;
use testkit::ended::Ended;
use testkit::scratch::Scratch;

/// A policy under which all that the tests do runs.
const ALL: &str = "version = 1\ndefault = \"allow\"\nforeign = \"allow\"\n\n\
                   [[x86_64.mkdir]]\ndo = \"errno EPERM\"\n";

fn scratch() -> Scratch {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("a", encode_trace(&trace(1, "a", &[(0, 3), (1, 2)])));
    scratch.write("b", encode_trace(&trace(2, "b", &[(0, 1), (9, 4)])));
    scratch.write("log", "1 execve(\"/bin/app\", [\"app\"], 0x7ffd /* 3 vars */) = 0\n1 exit_group(0) = ?\n");
    for (format, output) in [("toml", "policy"), ("oci", "oci")] {
        assert_eq!(scratch.run(&["profile", "generate", "-f", format, "-i", "a", "-o", output]).status, 0);
    }
    scratch.write("all", ALL);
    scratch.write("untidy", format!("\n\n{}", scratch.read("policy")));
    scratch
}

fn limited(scratch: &Scratch, limit: &str, line: &str) -> Ended {
    let script = format!("{limit}; exec {SANDPRINT} {line}");
    Ended::of(&scratch.program("sh", &["-c", &script]).output().unwrap())
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error() {
    let scratch = scratch();
    scratch.write("old", scratch.read("a"));
    let before = scratch.files();
    for (line, status) in [
        ("profile merge a b -o OUT", 1),
        ("profile subtract a b -o OUT", 1),
        ("profile import --from strace log -o OUT", 1),
        ("profile import --from strace log -o OUT --append", 1),
        ("profile generate -f oci -i a -o OUT", 1),
        ("policy import oci -o OUT", 1),
        ("profile run --recorder notify -o OUT -- true", 125),
        ("profile verify --observer notify -p all -f json -o OUT -- true", 125),
    ] {
        for output in ["new", "old"] {
            let ended = limited(&scratch, "ulimit -f 0", &line.replace("OUT", output));
            let end = format!(
                "error: failed to write `{output}`: File too large (os error 27)\n\
                 hint: nothing was changed: raise the limit on the size of files, which `ulimit -f` shows\n"
            );
            assert!(ended.stderr.ends_with(&end), "{line}: {}", ended.stderr);
            assert_eq!(ended.status, status, "{line}");
            assert_eq!(scratch.files(), before, "{line}");
        }
    }
    let ended = limited(&scratch, "ulimit -f 0", "profile refine -p new --new --accept-all -- true");
    assert!(ended.stderr.contains("error: failed to write `new`: File too large"), "{}", ended.stderr);
    assert_eq!((ended.status, scratch.files()), (125, before.clone()));
    let ended = limited(&scratch, "ulimit -f 0", "policy fmt untidy");
    assert!(ended.stderr.contains("`untidy`: File too large"), "{}", ended.stderr);
    assert_eq!((ended.status, scratch.files()), (1, before));
    let ended = limited(&scratch, "ulimit -f 0", "profile merge a b > out");
    assert_eq!(
        ended.stderr,
        "error: failed to write to standard output: File too large (os error 27)\n\
         hint: raise the limit on the size of files, which `ulimit -f` shows\n"
    );
    assert_eq!(ended.status, 1);
}

#[test]
fn a_workload_has_the_limit_and_dies_of_it_as_it_would() {
    let scratch = scratch();
    let script = "dd if=/dev/zero of=big bs=1024 count=4 2>/dev/null; echo $? $(ulimit -f)";
    let bare =
        Ended::of(&scratch.program("sh", &["-c", &format!("ulimit -f 1; {script}")]).output().unwrap());
    assert_eq!(bare.stdout, "153 1\n");
    for line in ["profile run --recorder notify -o /dev/null", "profile run --recorder notify", "run -p all"]
    {
        let ended = limited(&scratch, "ulimit -f 1", &format!("{line} -- sh -c '{script}'"));
        assert_eq!(ended.stdout, bare.stdout, "{line}: {}", ended.stderr);
    }
}

#[test]
fn a_limit_on_open_files_is_an_error() {
    let scratch = scratch();
    let before = scratch.files();
    let mut failed = 0;
    for limit in 4..12 {
        let ended = limited(&scratch, &format!("ulimit -n {limit}"), "profile merge a b -o out");
        if ended.status == 0 {
            std::fs::remove_file(scratch.path("out")).unwrap();
            continue;
        }
        failed += 1;
        assert_eq!(ended.status, 1, "{limit}: {}", ended.stderr);
        let end = "Too many open files (os error 24)\nhint: raise the limit on open files, which `ulimit -n` shows\n";
        assert!(ended.stderr.ends_with(end), "{limit}: {}", ended.stderr);
        assert_eq!(scratch.files(), before);
    }
    assert!(failed > 0);
}

/// Commands that start or watch something, and such that write a policy; `SELF` is a process that lives.
const ALL_KINDS: [&str; 12] = [
    "profile run --recorder notify -o out -- true",
    "profile run --recorder ptrace -o out -- true",
    "profile run --recorder ebpf -o out -- true",
    "profile run -o out -- true",
    "profile attach --pid SELF --duration 10ms -o out",
    "profile verify -p all --observer notify -- true",
    "profile verify -p all --observer ebpf -- true",
    "profile refine -p out --new --accept-all -- true",
    "profile generate -f oci -i a -o out",
    "policy import oci -o out",
    "watch --pid SELF --duration 10ms",
    "run -p all -- true",
];

/// Runs each of them under a limit: it succeeds, or an error names the limit and nothing is left. How many failed.
fn each_under(scratch: &Scratch, limit: &str) -> usize {
    let before = scratch.files();
    let own = std::process::id().to_string();
    let mut failed = 0;
    for line in ALL_KINDS {
        let ended = limited(scratch, limit, &line.replace("SELF", &own));
        let context = format!("{limit}; {line}: {}\n{}", ended.status, ended.stderr);
        // A refinement writes its policy before it begins, so that it is known that it can.
        if matches!(ended.status, 0 | 3) || line.contains("refine") {
            drop(std::fs::remove_file(scratch.path("out")));
        }
        // Where nobody may use BPF, that is what is said.
        if !matches!(ended.status, 0 | 3) && !ended.stderr.contains("CAP_BPF") {
            failed += 1;
            assert!(matches!(ended.status, 1 | 125), "{context}");
            let Some((_, error)) = ended.stderr.split_once("error: ") else { panic!("{context}") };
            let hint = error.split_once("\nhint: ").map(|(_, hint)| hint);
            assert!(hint.is_some_and(|hint| hint.contains("`ulimit -")), "{context}");
        }
        assert!(scratch.files() == before, "{context}");
    }
    failed
}

#[test]
fn a_limit_on_open_files_is_an_error_of_every_command() {
    let scratch = scratch();
    let failed: Vec<usize> =
        [4, 6, 8, 12, 24, 32, 40].map(|limit| each_under(&scratch, &format!("ulimit -n {limit}"))).into();
    assert!(failed[0] > 6, "{failed:?}");
}

#[test]
fn a_limit_on_memory_is_an_error_of_every_command() {
    let scratch = scratch();
    // Below some limit it cannot even be loaded.
    let starts = |limit: &String| limited(&scratch, limit, "--version").status == 0;
    let limits = (16_000..80_000).step_by(1_000).map(|limit| format!("ulimit -v {limit}"));
    for limit in limits.filter(starts).take(9) {
        each_under(&scratch, &limit);
    }
}

#[test]
fn a_workload_has_the_limits_that_it_would_have() {
    let scratch = scratch();
    let limit = "ulimit -S -n 70; ulimit -H -n 300; ulimit -v 300000";
    for line in [
        "profile run --recorder notify",
        "profile run --recorder ptrace",
        "profile run",
        "profile verify -p all",
        "run -p all",
    ] {
        let script = "ulimit -Sn; ulimit -Hn; ulimit -v";
        let ended = limited(&scratch, limit, &format!("{line} -- sh -c '{script}'"));
        let of_one_run = ended.stdout.lines().take(3).collect::<Vec<_>>();
        assert_eq!(of_one_run, ["70", "300", "300000"], "{line}: {}", ended.stderr);
    }
}

#[test]
fn a_limit_on_memory_is_an_error() {
    let scratch = Scratch::of(SANDPRINT);
    let file = std::fs::File::create(scratch.path("log")).unwrap();
    file.set_len(200 << 20).unwrap();
    let ended = limited(&scratch, "ulimit -v 200000", "profile merge log -o out");
    assert_eq!(ended.status, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("\nhint: ") && ended.stderr.contains("ulimit -v"), "{}", ended.stderr);
    assert!(!scratch.path("out").exists());
}
