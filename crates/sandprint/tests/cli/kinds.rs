//! Files given to a command that reads another kind: the error names the kind, and the hint the command that reads it.

use crate::SANDPRINT;
use testkit::scratch::Scratch;

/// A file of each kind: its name, its text, what it is called, and a part of the hint.
const KINDS: [(&str, &[u8], &str, &str); 23] = [
    (
        "policy.toml",
        b"version = 1\ndefault = \"errno EPERM\"\nforeign = \"kill-process\"\n[[x86_64.read]]\ndo = \"allow\"\nwhy = [\"x\"]\n",
        "a policy file",
        "policy explain",
    ),
    (
        "strace",
        b"1 execve(\"/a\", [\"a\"], 0x1) = 0\n1 exit_group(0) = ?\n1 +++ exited with 0 +++\n",
        "a log of strace",
        "--from strace",
    ),
    (
        "audit",
        b"type=SECCOMP msg=audit(1.000:5): pid=1 comm=\"a\" exe=\"/a\" sig=0 arch=c000003e syscall=1\n",
        "an audit log",
        "--from audit",
    ),
    ("csv", b"NODE,EVENT,DATE,TIME,SERIAL_NUM\n,SECCOMP,01/01/2026\n", "a report of ausearch", "ausearch --raw"),
    ("text", b"At 10:00:00 01/01/2026 root, acting as root, used write\n", "a report of ausearch", "ausearch --raw"),
    ("unit", b"[Service]\nSystemCallFilter=@system-service\n", "a unit of systemd", "policy import"),
    ("yaml", b"---\napiVersion: v1\nkind: SeccompProfile\n", "YAML", "not read"),
    ("yaml2", b"apiVersion: v1\nkind: SeccompProfile\n", "YAML", "not read"),
    ("header", b"/* x */\n#include <seccomp.h>\nint f(void);\n", "C", "generated from"),
    ("markdown", b"# Policy\n\n| call | why |\n| --- | --- |\n", "Markdown", "generated from"),
    ("kafel", b"POLICY app {\n  ALLOW { read, write }\n}\nUSE app DEFAULT KILL\n", "a policy of kafel (nsjail)", "generated from"),
    ("minijail", b"read: 1\nopenat: return EPERM\n", "a policy of minijail", "generated from"),
    ("script", b"#!/bin/sh\ntrue\n", "a script", "profile run"),
    ("elf", b"\x7fELF\x02\x01\x01\0\0\0\0\0", "a program", "profile run"),
    ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", "compressed", "decompress"),
    ("bpf", b"\x06\0\0\0\0\0\xff\x7f", "a raw BPF program", "--from bpf"),
    ("shown", b"  NR  COUNT  NAME\n   0      1  read\n", "what `profile show` printed", "not read"),
    ("shown.tsv", b"abi\tnr\tname\tcount\nx86_64\t0\tread\t1\n", "what `profile show` printed", "not read"),
    ("shown-json", b"{\"events\": 0, \"unique\": 0, \"calls\": []}", "what `profile show` printed", "not read"),
    (
        "sarif",
        b"{\"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\", \"runs\": []}",
        "a report in SARIF",
        "not read",
    ),
    (
        "firecracker",
        b"{\"vmm\": {\"mismatch_action\": \"trap\", \"match_action\": \"allow\", \"filter\": []}}",
        "a filter of Firecracker",
        "not read",
    ),
    ("profile.json", b"{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", "", "policy import"),
    (
        "old.json",
        b"{\"schema_version\":1,\"arch\":\"x86_64\",\"target_argv\":[],\"events\":[],\"counts\":[]}",
        "",
        "sandprint-0.1",
    ),
];

/// Commands that read a file, and the kinds that each does read.
const READERS: [(&[&str], &[&str]); 5] = [
    (&["profile", "show"], &[]),
    (&["policy", "check"], &["policy.toml"]),
    (&["policy", "import"], &["unit", "bpf", "profile.json"]),
    (&["profile", "import", "--from", "strace"], &["strace"]),
    (&["profile", "import", "--from", "audit"], &["audit"]),
];

#[test]
fn every_command_says_what_a_file_is_that_it_does_not_read() {
    let scratch = Scratch::of(SANDPRINT);
    for (name, content, _, _) in KINDS {
        scratch.write(name, content);
    }
    for (command, reads) in READERS {
        for (name, _, noun, hint) in KINDS {
            let ended = scratch.run(&[command, &[name]].concat());
            let what = format!("{command:?} {name}: {}", ended.stderr);
            if reads.contains(&name) {
                assert_eq!(ended.status, 0, "{what}");
                continue;
            }
            assert_eq!(ended.status, 1, "{what}");
            // What a policy or a trace in JSON is was said before, in words of its own.
            assert!(noun.is_empty() || ended.stderr.contains(noun), "{what}");
            let own = command == ["policy", "import"] && name == "policy.toml";
            let is_json = std::path::Path::new(name).extension().is_some_and(|end| end == "json");
            assert!(own || is_json || ended.stderr.contains(hint), "{what}");
            assert!(ended.stderr.contains("hint: "), "{what}");
        }
    }
}

#[test]
fn yaml_is_named_whatever_the_profile_is_said_to_be() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("x.yaml", "---\nkind: SeccompProfile\n");
    let ended = scratch.run(&["policy", "import", "--from", "docker", "x.yaml"]);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("it is no profile but YAML"), "{}", ended.stderr);
}

#[test]
fn a_profile_that_allows_nothing_is_said_to_and_has_answers() {
    let scratch = Scratch::of(SANDPRINT);
    scratch.write("none.json", "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[]}");
    let ended = scratch.run(&["policy", "import", "none.json", "-o", "none.toml"]);
    assert_eq!(ended.status, 0);
    assert!(ended.stderr.contains("the profile allows no call at all"), "{}", ended.stderr);
    let ended = scratch.run(&["policy", "test", "none.toml", "--call", "read(SCHED_OTHER)"]);
    assert_eq!((ended.status, ended.stdout.lines().next()), (0, Some("read(SCHED_OTHER): errno EPERM")));
    assert!(ended.stderr.contains("it allows no call at all"), "{}", ended.stderr);
    assert_eq!(scratch.run(&["policy", "explain", "none.toml"]).status, 0);
}

#[test]
fn an_endless_file_is_no_profile_and_no_log() {
    let scratch = Scratch::of(SANDPRINT);
    for command in [
        &["policy", "import", "/dev/zero"][..],
        &["profile", "import", "--from", "strace", "/dev/zero"],
        &["profile", "import", "--from", "audit", "/dev/zero"],
        &["profile", "import", "--from", "sandprint-0.1", "/dev/zero"],
    ] {
        let ended = scratch.run(command);
        assert_eq!(ended.status, 1, "{command:?}: {}", ended.stderr);
    }
}

/// Editors of Windows put a mark in front of UTF-8.
#[test]
fn a_mark_in_front_of_a_text_is_no_part_of_it() {
    let scratch = Scratch::of(SANDPRINT);
    let marked = |text: &str| format!("\u{feff}{text}");
    scratch.write("strace", KINDS[1].1);
    assert_eq!(scratch.run(&["profile", "import", "--from", "strace", "strace", "-o", "trace"]).status, 0);
    scratch.write("marked", marked(&scratch.read("trace")));
    assert_eq!(scratch.run(&["profile", "show", "marked"]).status, 0);
    for format in ["toml", "json"] {
        let made = scratch.run(&["profile", "generate", "-i", "marked", "--allow-incomplete", "-f", format]);
        scratch.write("policy", marked(&made.stdout));
        let ended = scratch.run(&["policy", "test", "policy", "--call", "exit_group(0)"]);
        assert_eq!(ended.status, 0, "{format}: {}", ended.stderr);
    }
}
