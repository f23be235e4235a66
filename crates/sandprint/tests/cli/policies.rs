//! `policy fmt`, `check`, `test` and `diff`, and policies as input of `profile generate`.

use std::fs;

use sandprint_policy::cbpf;

use crate::SANDPRINT;
use crate::traces::trace;
use sandprint_model::wire::encode_trace;
use testkit::ended::Ended;
use testkit::scratch::Scratch;

const POLICY: &str = r#"# what the updater may do
version = 1
default = "errno EPERM"
foreign = "kill-process"

[[x86_64.exit_group]]
do = "allow"
why = ["it ends"]

[[x86_64.socket]]
do = "allow"
when = ["arg0.u32 == AF_INET"] # IPv4
why = ["the update check"]

[[x86_64.socket]]
do = "errno EAFNOSUPPORT"
why = ["nothing else"]
"#;

fn scratch() -> Scratch {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("p.toml", POLICY);
    scratch
}

#[test]
fn fmt_changes_what_is_not_in_its_form_and_nothing_else() {
    let scratch = scratch();
    let before = fs::metadata(scratch.path("p.toml")).unwrap().modified().unwrap();
    assert_eq!(scratch.run(&["policy", "fmt", "p.toml"]), Ended::printed(""));
    assert_eq!(fs::metadata(scratch.path("p.toml")).unwrap().modified().unwrap(), before);
    assert_eq!(scratch.run(&["policy", "fmt", "--check", "p.toml"]), Ended::printed(""));

    scratch.write(
        "q.toml",
        POLICY.replace("\"arg0.u32 == AF_INET\"", "   \"arg0.u32 == 0x2\",\n").replace("\n\n", "\n\n\n"),
    );
    let check = scratch.run(&["policy", "fmt", "--check", "p.toml", "q.toml"]);
    assert_eq!((check.status, check.stderr.as_str()), (3, "`q.toml` is not in its form\n"));
    assert_eq!(scratch.run(&["policy", "fmt", "p.toml", "q.toml"]), Ended::printed(""));
    assert_eq!(scratch.read("q.toml"), POLICY);
    assert_eq!(scratch.read("p.toml"), POLICY);
}

#[test]
fn fmt_leaves_what_it_cannot_read_as_it_is() {
    let scratch = scratch();
    let broken = POLICY.replace("socket", "sokcet");
    scratch.write("p.toml", &broken);
    let ended = scratch.run(&["policy", "fmt", "p.toml"]);
    assert_eq!(
        ended,
        Ended::failed(
            1,
            "failed to read p.toml as a policy file:\n  \
             p.toml:10:10: x86_64 has no system call `sokcet` (perhaps `socket` is meant)",
            "`sandprint policy check FILE` lists all of it",
        )
    );
    assert_eq!(scratch.read("p.toml"), broken);
    scratch.write("p.json", "{\"format\":\"sandprint-trace\",\"version\":1}");
    let ended = scratch.run(&["policy", "fmt", "p.json"]);
    assert!(ended.status == 1 && ended.stderr.contains("profile generate -i TRACE -f toml"), "{ended:?}");
}

#[test]
fn check_lists_everything_with_its_place() {
    let scratch = scratch();
    assert_eq!(scratch.run(&["policy", "check", "p.toml"]), Ended::printed(""));
    let wrong = POLICY.replace("== AF_INET", "== 0x100000002").replace("why = [\"it ends\"]\n", "");
    scratch.write("p.toml", wrong);
    let ended = scratch.run(&["policy", "check", "p.toml"]);
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (
            1,
            "p.toml:6:1: warning: this rule has no reason\n  hint: say why: `why = [\"...\"]`\n\
             p.toml:11:9: error: 0x100000002 does not fit into the 32 bits that are compared\n  \
             hint: compare all 64 bits, or give the value's lower half\n"
        )
    );
    let json = scratch.run(&["policy", "check", "--format", "json", "p.toml"]);
    let findings: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(findings[1]["at"], "p.toml:11:9");
    assert_eq!(findings[1]["severity"], "error");

    scratch.write("p.toml", POLICY.replace("why = [\"it ends\"]\n", ""));
    assert_eq!(scratch.run(&["policy", "check", "p.toml"]).status, 0);
    assert_eq!(scratch.run(&["policy", "check", "--strict", "p.toml"]).status, 1);
    let used = scratch.run(&["profile", "generate", "-p", "p.toml", "-f", "oci"]);
    assert!(used.stderr.contains("note: 1 rule has no reason, the first at p.toml:6:1"), "{}", used.stderr);
}

#[test]
fn a_policy_that_cannot_be_meant_is_not_used() {
    let scratch = scratch();
    let nothing = POLICY.replace("\"allow\"", "\"errno EIO\"");
    for (text, words) in [
        (nothing.clone(), "it allows no call at all"),
        (
            POLICY.replace("when = [\"arg0.u32 == AF_INET\"] # IPv4\n", ""),
            "this rule contradicts rule 1 of socket",
        ),
        (POLICY.replace("arg0.u32 == AF_INET", "arg7.u32 == AF_INET"), "none is 7"),
        (POLICY.replace("version = 1", "version = 9"), "this is version 9"),
    ] {
        scratch.write("p.toml", &text);
        let asked = &["policy", "test", "p.toml", "--call", "getpid"][..];
        // What a policy answers can be asked although nothing could run under it.
        let commands = [&["profile", "generate", "-p", "p.toml", "-f", "oci"][..], asked];
        for command in commands.into_iter().take(if text == nothing { 1 } else { 2 }) {
            let ended = scratch.run(command);
            assert_eq!((ended.status, ended.stdout.as_str()), (1, ""), "{ended:?}");
            assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        }
    }
}

#[test]
fn test_says_what_is_answered_and_which_rule_says_so() {
    let scratch = scratch();
    let ask = |calls: &[&str]| {
        let calls = calls.iter().flat_map(|call| ["--call", call]);
        scratch.run(&["policy", "test", "p.toml"].into_iter().chain(calls).collect::<Vec<_>>())
    };
    assert_eq!(
        ask(&["x86_64:socket(2, 1, 0)", "x86_64:socket(16)", "x86_64:getpid", "i386:getpid"]),
        Ended::printed(
            "x86_64:socket(2, 1, 0): allow\n  by the rule at p.toml:10:1\n  when arg0.u32 == AF_INET\n  by hand: the update check\n\
             x86_64:socket(16): errno EAFNOSUPPORT\n  by the rule at p.toml:15:1\n  by hand: nothing else\n\
             x86_64:getpid: errno EPERM\n  by the default of p.toml: no rule matches it\n\
             i386:getpid: kill-process\n  by `foreign` of p.toml: i386 has no rules\n"
        )
    );
    let status = |call| scratch.run(&["policy", "test", "--exit-code", "p.toml", "--call", call]).status;
    assert_eq!((status("x86_64:socket(2)"), status("x86_64:socket(3)")), (0, 3));
    let json = scratch.run(&["policy", "test", "--format", "json", "p.toml", "--call", "x86_64:socket(2)"]);
    let answers: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&answers[0]["action"], &answers[0]["runs"]), (&"allow".into(), &true.into()));
    let unknown = ask(&["x86_64:socketcall(1)"]);
    assert_eq!(
        (unknown.status, unknown.stderr.contains("x86_64 has no system call `socketcall`")),
        (2, true)
    );
}

#[test]
fn diff_compares_meanings() {
    let scratch = scratch();
    scratch.write("same.toml", POLICY.replace("== AF_INET", "<= 2").replace(
        "[[x86_64.socket]]\ndo = \"allow\"",
        "[[x86_64.socket]]\ndo = \"errno EAFNOSUPPORT\"\nwhen = [\"arg0.u32 < 2\"]\n[[x86_64.socket]]\ndo = \"allow\"",
    ));
    assert_eq!(
        scratch.run(&["policy", "diff", "--exit-code", "p.toml", "same.toml"]),
        Ended::printed("the two policies mean the same\n")
    );
    let other = POLICY.replace("== AF_INET", "== 1").replace("EPERM", "ENOSYS")
        + "\n[[x86_64.bpf]]\ndo = \"allow\"\n";
    scratch.write("other.toml", other);
    let diff = scratch.run(&["policy", "diff", "--exit-code", "p.toml", "other.toml"]);
    assert_eq!(
        (diff.status, diff.stdout.as_str()),
        (
            3,
            "calls without a rule: errno EPERM -> errno ENOSYS\n\n\
             only the second lets run:\n  x86_64 bpf: errno EPERM (no rule) -> allow\n\n\
             each lets run what the other refuses:\n  \
             x86_64 socket: allow when arg0.u32 == AF_INET; errno EAFNOSUPPORT -> allow when arg0.u32 == AF_UNIX; errno EAFNOSUPPORT\n"
        )
    );
    let json = scratch.run(&["policy", "diff", "--format", "json", "p.toml", "other.toml"]);
    let diff: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&diff["same"], &diff["calls"][0]["wider"]), (&false.into(), &"both".into()));
    let markdown = scratch.run(&["policy", "diff", "--format", "markdown", "p.toml", "other.toml"]);
    assert!(markdown.stdout.contains("| `bpf` (x86_64): only the second lets run |"), "{}", markdown.stdout);
}

#[test]
fn every_format_is_made_of_a_policy_as_of_the_trace_that_it_came_from() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("login", encode_trace(&trace(1, "login", &[(0, 300), (1, 2), (257, 7)])));
    for form in ["toml", "json"] {
        let made = scratch
            .sandprint(&["profile", "generate", "-i", "login", "-f", form, "-o", "p"])
            .output()
            .unwrap();
        assert!(made.status.success());
        for format in ["oci", "docker", "systemd", "seccomp-h", "json", "markdown", "toml", "bpf"] {
            let run = |arguments: &[&str]| {
                let arguments = [&["profile", "generate", "-f", format], arguments].concat();
                scratch.sandprint(&arguments).output().unwrap()
            };
            let (of_trace, of_policy) = (run(&["-i", "login"]), run(&["-p", "p"]));
            assert_eq!(of_trace.stdout, of_policy.stdout, "{form} {format}");
            assert!(!of_trace.stdout.is_empty());
        }
    }
    let bpf = scratch.sandprint(&["profile", "generate", "-p", "p", "-f", "bpf"]).output().unwrap().stdout;
    assert_eq!(cbpf::validate(&cbpf::Program::from_bytes(&bpf).unwrap()), Ok(()));
}
