//! What each importer makes of small profiles, and what it says of what it cannot read.

use sandprint_model::Call;

use super::*;

fn read(format: Format, text: &str) -> Imported {
    import(format, text.as_bytes(), &Site::new(Arch::X86_64))
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn of(imported: &Imported, abi: Abi, name: &str, arg0: u64) -> Action {
    let syscall = Syscall::from_name(abi, name).unwrap();
    imported.policy.calls.decide(&Call { syscall, args: [arg0, 0, 0, 0, 0, 0] })
}

fn notes(imported: &Imported) -> Vec<String> {
    imported.policy.notes.iter().map(ToString::to_string).collect()
}

fn losses(imported: &Imported) -> Vec<String> {
    imported.losses.iter().map(|loss| format!("{}{loss}", if loss.weaker { "! " } else { "" })).collect()
}

/// A post in a forum has this; its comment promises another clock than it allows.
const FORUM: &str = r#"{
"defaultAction": "SCMP_ACT_ERRNO",
"syscalls": [
{ "names": ["read", "write", "close", "poll"], "action": "SCMP_ACT_ALLOW" },
{ "names": ["clock_gettime"], "action": "SCMP_ACT_ALLOW", "args": [{ "index": 0, "value": 4, "op": "SCMP_CMP_EQ" }] }, // CLOCK_MONOTONIC_COARSE only
{ "names": ["connect", "recvfrom", "sendto"], "action": "SCMP_ACT_ALLOW" }
]
}
"#;

#[test]
fn the_forums_snippet_is_read_with_its_comment_and_in_part() {
    assert_eq!(sniff(FORUM.as_bytes()), Some(Format::Oci));
    let whole = read(Format::Oci, FORUM);
    assert_eq!(losses(&whole), [] as [&str; 0]);
    let clock = Syscall::from_name(Abi::X86_64, "clock_gettime").unwrap();
    let [rule] = whole.policy.calls.rules[&clock].as_slice() else { panic!() };
    let reason = Reason::Imported("oci: CLOCK_MONOTONIC_COARSE only".to_owned());
    assert_eq!(rule.reasons, BTreeSet::from([reason]));
    let lines: Vec<&str> = FORUM.lines().collect();
    for (part, calls) in [
        (lines[3..6].join("\n"), 8),
        (lines[4].to_owned(), 1),
        (lines[4].trim_end_matches(", // CLOCK_MONOTONIC_COARSE only").to_owned(), 1),
        (lines[2..7].join("\n"), 8),
        (format!("[{}]", lines[3..6].join("\n")), 8),
    ] {
        assert_eq!(sniff(part.as_bytes()), Some(Format::Oci), "{part}");
        let imported = read(Format::Oci, &part);
        assert_eq!(imported.policy.calls.rules.len(), calls, "{part}");
        assert!(imported.policy.notes.contains(&Note::PartOfProfile { allows: false }), "{part}");
        assert_eq!(of(&imported, Abi::X86_64, "clock_gettime", 4), Action::Allow);
        assert_eq!(of(&imported, Abi::X86_64, "clock_gettime", 6), Action::Errno(1));
    }
}

#[test]
fn a_part_that_only_refuses_is_part_of_a_list_of_refusals() {
    let imported = read(Format::Oci, r#"{"names": ["ptrace"], "action": "SCMP_ACT_KILL"}"#);
    assert_eq!(of(&imported, Abi::X86_64, "ptrace", 0), Action::KillThread);
    assert_eq!(of(&imported, Abi::X86_64, "read", 0), Action::Allow);
}

#[test]
fn what_is_wrong_with_json_is_said_with_its_place() {
    for (text, expected) in [
        ("{\"syscalls\": []}", "the profile has no `defaultAction`, at line 1, column 1"),
        ("{\"defaultAction\": \"SCMP_ACT_FOO\"}", "`SCMP_ACT_FOO` is no action, at line 1, column 19"),
        ("{\"defaultAction\": 3}", "a number where a string should be, at line 1, column 19"),
        ("[\n{\"names\": [\"read\"]}]", "the rule has no `action`, at line 2, column 1"),
        ("[{\"action\": \"SCMP_ACT_ALLOW\"}]", "the rule has no `names`, at line 1, column 2"),
        (
            "[{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\",\n \"args\": [{\"index\": 6, \"value\": 0, \"op\": \"SCMP_CMP_EQ\"}]}]",
            "there is no argument 6: there are six, 0 to 5, at line 2, column 11",
        ),
        (
            "[{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\",\n \"args\": [{\"index\": 0, \"value\": 0, \"op\": \"EQ\"}]}]",
            "`EQ` is no comparison, at line 2, column 42",
        ),
        (
            "[{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\",\n \"args\": [{\"index\": 0, \"value\": -1, \"op\": \"SCMP_CMP_EQ\"}]}]",
            "`-1` is no whole number from 0 to 2^64-1, at line 2, column 33",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 70000}",
            "70000 is no errno: they go to 4095, at line 1, column 56",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"x86\"]}",
            "`x86` is no architecture, at line 1, column 55",
        ),
        ("nonsense", "`nonsense` where a value should be, at line 1, column 1"),
        (" \n", "it is empty"),
    ] {
        let error = import(Format::Oci, text.as_bytes(), &Site::new(Arch::X86_64)).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
    assert_eq!(import(Format::Oci, b"{\xff", &Site::new(Arch::X86_64)), Err(ImportError::NotText(1)));
}

#[test]
fn what_a_policy_does_not_hold_is_told() {
    let text = r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"], "listenerPath": "/x", "extra": 1,
        "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_S390X"],
        "syscalls": [{"names": ["no_such_call", "s390_pci_mmio_read", "bpf"], "action": "SCMP_ACT_ERRNO", "comment": "c",
                      "includes": {"caps": ["CAP_BPF"]}}]}"#;
    let imported = read(Format::Oci, text);
    assert_eq!(
        losses(&imported),
        [
            "`SECCOMP_FILTER_FLAG_LOG`: a policy has no flags of seccomp(2): give it to whoever loads the filter",
            "`comment`: a word of Docker's profiles, which OCI runtimes ignore",
            "`extra`: not a word of such profiles: it is ignored",
            "`includes`: a word of Docker's profiles, which OCI runtimes ignore",
            "`listenerPath`: a policy does not name the supervisor",
            "architectures: not known here: SCMP_ARCH_S390X",
            "! unknown names: no call of a machine that is known here has such a name: no_such_call, s390_pci_mmio_read",
        ]
    );
    assert_eq!(of(&imported, Abi::I386, "bpf", 0), Action::Errno(1));
    assert_eq!(of(&imported, Abi::X86_64, "bpf", 0), Action::Errno(1));
    assert_eq!(imported.policy.calls.foreign_action, Action::KillThread);
}

const DOCKER: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X32"]},
                {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
    "syscalls": [
        {"name": "read", "names": [], "action": "SCMP_ACT_ALLOW", "args": null, "comment": "all need it", "includes": {}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF", "CAP_PERFMON"]}},
        {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
        {"names": ["fsync"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}}
    ]}"#;

#[test]
fn docker_chooses_rules_by_machine_kernel_and_capabilities() {
    assert_eq!(sniff(DOCKER.as_bytes()), Some(Format::Docker));
    let at = |site: &Site| import(Format::Docker, DOCKER.as_bytes(), site).unwrap();
    let x86_64 = at(&Site::new(Arch::X86_64));
    let abis: BTreeSet<Abi> = x86_64.policy.calls.rules.keys().map(|syscall| syscall.abi).collect();
    assert_eq!(abis, [Abi::X32, Abi::X86_64].into());
    let decided = |imported: &Imported, abi| {
        ["read", "ptrace", "bpf", "mount", "chroot", "fsync"].map(|name| of(imported, abi, name, 0))
    };
    let (yes, no) = (Action::Allow, Action::Errno(38));
    assert_eq!(decided(&x86_64, Abi::X86_64), [yes, yes, no, Action::Errno(1), yes, no]);
    let aarch64 = at(&Site::new(Arch::Aarch64));
    assert_eq!(decided(&aarch64, Abi::Aarch64), [yes, yes, no, Action::Errno(1), yes, yes]);
    let mut site = Site::new(Arch::X86_64);
    site.kernel = Some(KernelVersion::new(4, 7));
    site.capabilities = ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"].map(str::to_owned).into();
    assert_eq!(decided(&at(&site), Abi::X86_64), [yes, no, yes, no, no, no]);
    let reason = Reason::Imported("docker: all need it".to_owned());
    assert!(x86_64.policy.calls.rules[&Syscall { abi: Abi::X86_64, nr: 0 }][0].reasons.contains(&reason));
    let chosen =
        "Rules were chosen for x86_64 on the newest kernel. The container has Docker's default capabilities.";
    assert!(notes(&x86_64).iter().any(|note| note == chosen), "{:?}", notes(&x86_64));
}

#[test]
fn podman_names_errno_values_and_knows_no_kernels() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS", "defaultErrnoRet": 1, "syscalls": [
        {"names": ["ptrace"], "action": "SCMP_ACT_ERRNO", "errno": "EINVAL", "errnoRet": 5, "includes": {"minKernel": "99.0"}}]}"#;
    assert_eq!(sniff(text.as_bytes()), Some(Format::Docker));
    let mut site = Site::new(Arch::X86_64);
    site.kernel = Some(KernelVersion::new(6, 1));
    let imported = import(Format::Docker, text.as_bytes(), &site).unwrap();
    assert_eq!(imported.policy.calls.default_action, Action::Errno(38));
    assert_eq!(of(&imported, Abi::X86_64, "ptrace", 0), Action::Errno(22));
    assert_eq!(losses(&imported), ["`minKernel`: Podman, whose profile this is, ignores it: ptrace"]);
    let both = r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_X86_64"}]}"#;
    let error = import(Format::Docker, both.as_bytes(), &site).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`archMap` stands beside `architectures`, and Docker takes one of them only, at line 1, column 73"
    );
}

#[test]
fn the_first_line_of_a_unit_says_what_kind_of_list_it_is() {
    let unit = |lines: &str| read(Format::Systemd, &format!("[Service]\n{lines}\n"));
    let allow = unit(
        "SystemCallFilter=read @basic-io \\\n  socket\nSystemCallFilter=~pread64 clone3:ENOSYS getpid\nSystemCallErrorNumber=EPERM",
    );
    let x86_64 = |imported: &Imported, name| of(imported, Abi::X86_64, name, 0);
    assert_eq!(
        ["read", "write", "socket", "pread64", "clone3", "getpid", "futex", "mount"]
            .map(|name| x86_64(&allow, name)),
        [
            Action::Allow,
            Action::Allow,
            Action::Allow,
            Action::Errno(1),
            Action::Errno(38),
            Action::Errno(1),
            Action::Allow,
            Action::Errno(1),
        ]
    );
    assert_eq!(of(&allow, Abi::I386, "socketcall", 1), Action::Allow);
    assert_eq!(of(&allow, Abi::I386, "socketcall", 2), Action::Errno(1));
    let deny = unit(
        "SystemCallFilter=~@mount ptrace:kill bpf:7\nSystemCallFilter=umount2\nSystemCallArchitectures=native",
    );
    assert_eq!(
        ["read", "mount", "umount2", "ptrace", "bpf"].map(|name| x86_64(&deny, name)),
        [Action::Allow, Action::KillProcess, Action::Allow, Action::KillProcess, Action::Errno(7)]
    );
    assert_eq!(of(&deny, Abi::I386, "read", 0), Action::KillThread);
    let reset = unit("SystemCallFilter=read\nSystemCallFilter=\nSystemCallFilter=~mount");
    assert_eq!(
        ["read", "mount", "bpf"].map(|name| x86_64(&reset, name)),
        [Action::Allow, Action::KillProcess, Action::Allow]
    );
    let log = unit("SystemCallFilter=~mount\nSystemCallLog=mount bpf");
    assert_eq!(
        ["read", "mount", "bpf"].map(|name| x86_64(&log, name)),
        [Action::Allow, Action::KillProcess, Action::Log]
    );
}

#[test]
fn other_settings_of_a_unit_are_translated() {
    let (eperm, enosys, eafnosupport) = (Action::Errno(1), Action::Errno(38), Action::Errno(97));
    let allow = Action::Allow;
    let cases: &[(&str, &str, [u64; 4], Action)] = &[
        ("LockPersonality=yes", "personality", [0; 4], allow),
        ("LockPersonality=yes", "personality", [8, 0, 0, 0], eperm),
        ("LockPersonality=yes\nPersonality=x86", "personality", [8, 0, 0, 0], allow),
        ("RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=AF_INET6", "socket", [10, 0, 0, 0], allow),
        (
            "RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=AF_INET6",
            "socket",
            [2, 0, 0, 0],
            eafnosupport,
        ),
        (
            "RestrictAddressFamilies=AF_UNIX AF_INET\nRestrictAddressFamilies=~AF_INET",
            "socket",
            [2, 0, 0, 0],
            eafnosupport,
        ),
        (
            "RestrictAddressFamilies=~AF_INET\nRestrictAddressFamilies=none",
            "socket",
            [1, 0, 0, 0],
            eafnosupport,
        ),
        ("ProtectKernelModules=1\nProtectClock=no", "init_module", [0; 4], eperm),
        ("ProtectKernelModules=1\nProtectClock=no", "clock_settime", [0; 4], allow),
        ("RestrictRealtime=T", "sched_setscheduler", [0, 3, 0, 0], allow),
        ("RestrictRealtime=T", "sched_setscheduler", [0, 4, 0, 0], eperm),
        ("RestrictRealtime=T", "sched_setscheduler", [0, 6, 0, 0], eperm),
        ("MemoryDenyWriteExecute=on", "mmap", [0, 0, 5, 0], allow),
        ("MemoryDenyWriteExecute=on", "mmap", [0, 0, 6, 0], eperm),
        ("MemoryDenyWriteExecute=on", "mprotect", [0, 0, 5, 0], eperm),
        ("MemoryDenyWriteExecute=on", "shmat", [0, 0, 0o100_000, 0], eperm),
        ("RestrictNamespaces=yes", "clone3", [0; 4], enosys),
        ("RestrictNamespaces=yes", "setns", [0; 4], eperm),
        ("RestrictNamespaces=yes\nRestrictNamespaces=user", "setns", [0, 0x1000_0000, 0, 0], allow),
        ("RestrictNamespaces=~user", "clone", [0x1000_0011, 0, 0, 0], eperm),
        ("RestrictNamespaces=~user", "clone", [0x4000_0011, 0, 0, 0], allow),
        ("RestrictNamespaces=~user", "unshare", [0x80, 0, 0, 0], eperm),
        ("RestrictSUIDSGID=yes", "open", [0, 0o100, 0o4755, 0], eperm),
        ("RestrictSUIDSGID=yes", "open", [0, 0, 0o4755, 0], allow),
        ("RestrictSUIDSGID=yes", "openat2", [0; 4], enosys),
        ("DynamicUser=yes\nRestrictSUIDSGID=no", "fchmodat2", [0, 0, 0o2000, 0], eperm),
        // The filter of SystemCallFilter= is the newest.
        (
            "SystemCallFilter=~socket:EIO\nRestrictAddressFamilies=AF_UNIX",
            "socket",
            [2, 0, 0, 0],
            Action::Errno(5),
        ),
    ];
    for (lines, name, [a, b, c, d], expected) in cases {
        let imported = read(Format::Systemd, &format!("[Service]\n{lines}\n"));
        assert_eq!(losses(&imported), [] as [&str; 0], "{lines}");
        let syscall = Syscall::from_name(Abi::X86_64, name).unwrap();
        let call = Call { syscall, args: [*a, *b, *c, *d, 0, 0] };
        assert_eq!(imported.policy.calls.decide(&call), *expected, "{lines}: {name} {:?}", call.args);
    }
    let i386 = read(Format::Systemd, "[Service]\nMemoryDenyWriteExecute=1\nRestrictAddressFamilies=none\n");
    assert_eq!(
        ["mmap", "socket", "mprotect"].map(|name| of(&i386, Abi::I386, name, 2)),
        [eperm, allow, allow]
    );
}

#[test]
fn what_systemd_ignores_is_told() {
    let text = "SystemCallFilter=read:EPERM write @nonsense no_such_call\nSystemCallFilter=~kill: ptrace:EFOO\nSystemCallErrorNumber=9999\nnonsense\n\
                LockPersonality=maybe\nRestrictNamespaces=user bogus\nSystemCallFilter=mseal\nPersonality=arm\nRestrictAddressFamilies=AF_FOO\n";
    let imported = read(Format::Systemd, text);
    assert_eq!(
        losses(&imported),
        [
            "LockPersonality: `maybe` is not understood, and systemd ignores it",
            "Personality: `arm` is not understood, and systemd ignores it",
            "RestrictAddressFamilies: `AF_FOO` is not understood, and systemd ignores it",
            "RestrictNamespaces: `user bogus` is not understood, and systemd ignores it",
            "SystemCallErrorNumber: `9999` is not understood, and systemd ignores it",
            "SystemCallFilter: `kill:` is not understood, and systemd ignores it",
            "SystemCallFilter: `ptrace:EFOO` is not understood, and systemd ignores it",
            "SystemCallFilter: `read:EPERM` is not understood, and systemd ignores it",
            "SystemCallFilter: `@nonsense` is no group of systemd 252, which ignores it",
            "line 4: no `Key=value`: systemd ignores it",
            "newer names: systemd 252 ignores calls that came after Linux 6.7, and a newer one may not: mseal",
            "unknown names: no call of a machine that is known here has such a name: no_such_call",
        ]
    );
    assert_eq!(imported.policy.calls.default_action, Action::KillProcess);
    let none = import(Format::Systemd, b"[Service]\nExecStart=/bin/true\n", &Site::new(Arch::X86_64));
    assert_eq!(none, Err(ImportError::NoFilter));
}

#[test]
fn formats_are_told_apart() {
    for (bytes, expected) in [
        (&b"[Service]\nExecStart=/x\n"[..], Some(Format::Systemd)),
        (b"SystemCallFilter=~mount", Some(Format::Systemd)),
        (b"{\"defaultAction\": \"SCMP_ACT_LOG\"}", Some(Format::Oci)),
        (b"{\"defaultAction\": \"SCMP_ACT_LOG\", \"archMap\": []}", Some(Format::Docker)),
        // Cut off: what they are is said all the same, and then what is wrong.
        (b"{\"defaultAction\": \"SCMP_ACT_L", Some(Format::Oci)),
        (b"{\"archMap\": [], \"syscalls\": [{\"action\": \"SCMP_ACT_", Some(Format::Docker)),
        (b"{\"name\": \"left-pad\"}", None),
        (b"{\"name\": \"left-pad", None),
        (b"{\"schema\": \"sandprint/policy\", \"rules\": []}", None),
        (b"version = 1\ndefault = \"allow\"\n", None),
        (b"\x06\x00\x00\x00\x00\x00\xff\x7f", Some(Format::Bpf)),
        (b"\x06\x00\x00\x00\x00\x00\xff", None),
        (b"\x20\x00\x00\x00\x00\x00\x00\x00", None),
        (b"", None),
    ] {
        assert_eq!(sniff(bytes), expected, "{bytes:?}");
    }
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()), Some(format));
    }
    assert_eq!(capability("sys_admin"), Some("CAP_SYS_ADMIN"));
    assert_eq!(capability("CAP_SYS_CHROOT"), Some("CAP_SYS_CHROOT"));
    assert_eq!(capability("CAP_ALL"), None);
}

/// What crun makes otherwise of a profile, and whether more runs then.
fn faults(text: &str) -> Vec<(String, bool)> {
    let imported = read(Format::Oci, text);
    imported.faults.into_iter().map(|fault| (format!("{fault}"), fault.weaker)).collect()
}

#[test]
fn keys_are_read_in_any_case_as_runc_does_and_what_crun_makes_of_them_is_told() {
    let usual = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"syscalls":[
        {"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},
        {"names":["write"],"action":"SCMP_ACT_ERRNO","errnoRet":2}]}"#;
    let expected = read(Format::Oci, usual);
    assert!(expected.faults.is_empty());
    for (key, other, weaker) in [
        ("syscalls", "Syscalls", false),
        ("syscalls", "\u{17f}yscalls", false),
        ("args", "Args", true),
        ("errnoRet", "ErrnoRet", false),
        ("defaultErrnoRet", "DEFAULTERRNORET", false),
        ("defaultAction", "DefaultAction", false),
        ("names", "Names", false),
        ("value", "Value", false),
    ] {
        let text = usual.replace(&format!("\"{key}\""), &format!("\"{other}\""));
        let imported = read(Format::Oci, &text);
        assert_eq!(imported.policy, expected.policy, "{other}");
        assert_eq!(imported.losses, expected.losses, "{other}");
        let told: Vec<(bool, bool)> =
            faults(&text).iter().map(|(words, weaker)| (words.contains("crun"), *weaker)).collect();
        assert_eq!(told, [(true, weaker)], "{other}");
        assert_eq!(sniff(text.as_bytes()), Some(Format::Oci), "{other}");
    }
    let open = usual
        .replace("\"syscalls\"", "\"Syscalls\"")
        .replace("SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38", "SCMP_ACT_ALLOW\"");
    assert!(faults(&open).iter().all(|(_, weaker)| *weaker));
    // Docker writes the profile anew for whichever runtime.
    assert!(read(Format::Docker, &usual.replace("\"args\"", "\"Args\"")).faults.is_empty());
    let twice = usual.replace("\"syscalls\"", "\"Syscalls\":[],\"syscalls\"");
    let error = import(Format::Oci, twice.as_bytes(), &Site::new(Arch::X86_64)).unwrap_err();
    assert!(error.to_string().contains("one word to runc, and two to crun"), "{error}");
}

#[test]
fn an_empty_name_beside_names_is_no_name_to_docker() {
    let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
        {"name":"","names":["read"],"action":"SCMP_ACT_ALLOW"},
        {"names":["write"],"name":"","action":"SCMP_ACT_ALLOW"}]}"#;
    let imported = read(Format::Docker, text);
    let names: BTreeSet<&str> =
        imported.policy.calls.rules.keys().filter_map(|syscall| syscall.name()).collect();
    assert_eq!(names, BTreeSet::from(["read", "write"]));
}

#[test]
fn rules_that_can_never_decide_are_left_out_and_said() {
    let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
        {"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":1,"op":"SCMP_CMP_EQ"}]},
        {"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":1,"op":"SCMP_CMP_EQ"},{"index":0,"value":0,"op":"SCMP_CMP_EQ"}]},
        {"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0,"op":"SCMP_CMP_LT"}]}]}"#;
    let imported = read(Format::Oci, text);
    let errors: Vec<String> = crate::check::check(&imported.policy)
        .into_iter()
        .filter(|fault| fault.severity == crate::check::Severity::Error)
        .map(|fault| fault.message)
        .collect();
    assert_eq!(errors, [] as [&str; 0]);
    assert!(
        notes(&imported)
            .iter()
            .any(|note| note.starts_with("Rules that can never decide were left out: read, ioctl.")),
        "{:?}",
        imported.policy.notes
    );
    assert_eq!(imported.policy.calls.rules.values().flatten().count(), 1);
}

#[test]
fn many_keys_take_no_endless_time() {
    let keys: Vec<String> = (0..200_000).map(|at| format!("\"k{at}\":1")).collect();
    let text = format!("{{\"defaultAction\":\"SCMP_ACT_ALLOW\",{}}}", keys.join(","));
    assert!(import(Format::Oci, text.as_bytes(), &Site::new(Arch::X86_64)).is_ok());
}

/// Comparing each rule with each takes minutes.
#[test]
#[expect(clippy::disallowed_types, reason = "a test that asks how long something takes")]
fn a_rule_for_each_of_many_values_is_imported_quickly() {
    let began = std::time::Instant::now();
    let rule = |value: u32| {
        let action = if value.is_multiple_of(2) { "SCMP_ACT_ALLOW" } else { "SCMP_ACT_LOG" };
        format!(
            r#"{{"names":["ioctl"],"action":"{action}","args":[{{"index":1,"value":{value},"op":"SCMP_CMP_EQ"}}]}}"#
        )
    };
    let rules: Vec<String> = (0..16_000).chain([7]).map(rule).collect();
    let text = format!(
        r#"{{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{}]}}"#,
        rules.join(",")
    );
    let imported = import(Format::Oci, text.as_bytes(), &Site::new(Arch::X86_64)).unwrap();
    let ioctl = Syscall::from_name(Abi::X86_64, "ioctl").unwrap();
    assert_eq!(imported.policy.calls.rules[&ioctl].len(), 16_000);
    // Which of two rules decides does not depend on an order where no call matches both.
    assert_eq!(imported.losses, BTreeSet::new());
    assert!(began.elapsed() < std::time::Duration::from_mins(1), "{:?}", began.elapsed());
}
