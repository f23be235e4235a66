//! A short run of the fuzz targets of the importers: real profiles, and programs made of policies, mutated and cut.
//!
//! The same seed gives the same inputs on every machine. The full targets are in `fuzz/`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test, also outside its test functions")]

use sandprint_model::Arch;
use sandprint_policy::cbpf::{Program, compile};
use sandprint_policy::import::{Format, Site, import};
use testkit::hostile::mutation::{mutated, run};
use testkit::hostile::numbers::Numbers;
use testkit::hostile::profiles;

macro_rules! corpus {
    ($name:literal) => {
        include_bytes!(concat!("../../../corpus/profiles/", $name)).as_slice()
    };
}

/// Small whole profiles, so that a mutation does not only cut.
const SMALL: &[u8] = br#"{
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"],
    "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "syscalls": [
        {
            "names": ["read", "write", "no_such_call"],
            "action": "SCMP_ACT_ALLOW" // what it needs
        },
        {
            "names": ["personality", "clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [
                {"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"},
                {"index": 1, "value": 8, "op": "SCMP_CMP_NE"}
            ]
        },
        {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97,
         "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_GE"}]}
    ]
}
"#;

const DOCKER: &[u8] = br#"{
    "defaultAction": "SCMP_ACT_ERRNO",
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}
    ],
    "syscalls": [
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390"]}},
        {"name": "kcmp", "action": "SCMP_ACT_TRACE", "errno": "ENOSYS", "comment": "why"}
    ]
}
"#;

const UNITS: &[&[u8]] = &[
    b"[Unit]\nDescription=An application\n\n[Service]\nExecStart=/usr/bin/app\n# the filter\nSystemCallFilter=@system-service\n\
      SystemCallFilter=~@privileged @resources:ENOMEM\nSystemCallErrorNumber=EPERM\nSystemCallArchitectures=native x86\n\
      SystemCallLog=bpf\n",
    b"[Service]\nSystemCallFilter=read write \\\n    exit_group:0 no_such_call\nRestrictAddressFamilies=AF_UNIX ~AF_NETLINK\n\
      RestrictRealtime=yes\nLockPersonality=1\nProtectClock=true\nPrivateDevices=on\nMemoryDenyWriteExecute=yes\n",
    b"SystemCallFilter=~@mount\n; a comment\n",
];

/// Words of the four formats.
const WORDS: [&[u8]; 48] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"// comment\n",
    b"/*",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"4096",
    b"18446744073709551615",
    b"4294967296",
    b"1e300",
    b"\"syscalls\": ",
    b"\"names\": [\"read\"]",
    b"\"args\": []",
    b"\"index\": 5",
    b"\"valueTwo\": 1",
    b"\"SCMP_CMP_LT\"",
    b"\"SCMP_CMP_LE\"",
    b"\"SCMP_CMP_GT\"",
    b"\"SCMP_CMP_EQ\"",
    b"\"SCMP_ACT_LOG\"",
    b"\"SCMP_ACT_TRAP\"",
    b"\"SCMP_ACT_KILL_PROCESS\"",
    b"\"SCMP_ACT_NOTIFY\"",
    b"\"SCMP_ARCH_ARM\"",
    b"\"SCMP_ARCH_S390X\"",
    b"\"\\ud800\"",
    b"\\u202e",
    b"\x1b[2J",
    b"\xff",
    b"\n",
    b"\\\n",
    b"\r\n",
    b"=",
    b"~",
    b"@",
    b"@clock ",
    b"@no-such-group ",
    b":EPERM ",
    b":kill ",
    b"SystemCallFilter=",
    b"[Service]\n",
];

/// Instructions and parts of some, little-endian.
const INSTRUCTIONS: [&[u8]; 16] = [
    &[0x20, 0, 0, 0, 0, 0, 0, 0],
    &[0x20, 0, 0, 0, 4, 0, 0, 0],
    &[0x20, 0, 0, 0, 16, 0, 0, 0],
    &[0x20, 0, 0, 0, 20, 0, 0, 0],
    &[0x15, 0, 1, 0, 2, 0, 0, 0],
    &[0x15, 0, 0, 1, 0x3e, 0, 0, 0xc0],
    &[0x25, 0, 0, 1, 7, 0, 0, 0],
    &[0x35, 0, 1, 0, 0, 0, 0, 0x40],
    &[0x45, 0, 0, 1, 3, 0, 0, 0],
    &[0x54, 0, 0, 0, 0xf, 0, 0, 0],
    &[0x06, 0, 0, 0, 0, 0, 0xff, 0x7f],
    &[0x06, 0, 0, 0, 1, 0, 5, 0],
    &[0x06, 0, 0, 0, 0, 0, 0, 0x80],
    &[0x02, 0, 0, 0, 1, 0, 0, 0],
    &[0x60, 0, 0, 0, 1, 0, 0, 0],
    &[0x05, 0, 0, 0, 1, 0, 0, 0],
];

/// Programs of small profiles, and of whole ones.
fn programs() -> Vec<Vec<u8>> {
    let sources = [(Format::Oci, SMALL), (Format::Docker, DOCKER), (Format::Systemd, UNITS[2])];
    let program = |(format, bytes): (Format, &[u8])| {
        let imported = import(format, bytes, &Site::new(Arch::X86_64)).unwrap();
        compile(&imported.policy).unwrap().to_bytes()
    };
    sources.into_iter().map(program).collect()
}

/// Whole instructions with changes that keep them whole, most of which the kernel would take.
fn mutated_program(numbers: &mut Numbers, bytes: &[u8]) -> Vec<u8> {
    let Program(mut code) = Program::from_bytes(bytes).unwrap();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(code.len());
        let other = code[numbers.below(code.len())];
        let word = INSTRUCTIONS[numbers.below(INSTRUCTIONS.len())];
        let one = Program::from_bytes(word).unwrap().0[0];
        match numbers.below(6) {
            0 => code[at].k ^= 1 << numbers.below(32),
            1 => code[at].jump_true = u8::try_from(numbers.below(12)).unwrap(),
            2 => code[at].jump_false = u8::try_from(numbers.below(12)).unwrap(),
            3 => code[at] = one,
            4 => code.insert(at, one),
            _ => code[at].k = other.k,
        }
    }
    Program(code).to_bytes()
}

#[test]
fn any_bytes_as_an_oci_profile() {
    run(11, 200, &[SMALL], &WORDS, 11, profiles::oci);
    run(12, 30, &[DOCKER, corpus!("podman-0.50.1.json")], &WORDS, 11, profiles::oci);
}

#[test]
fn any_bytes_as_a_profile_of_docker() {
    run(13, 200, &[DOCKER, SMALL], &WORDS, 11, profiles::docker);
    run(
        14,
        30,
        &[corpus!("docker-20.10.24.json"), corpus!("podman-0.50.1.json")],
        &WORDS,
        11,
        profiles::docker,
    );
}

#[test]
fn any_bytes_as_a_unit() {
    run(15, 50, UNITS, &WORDS, 11, profiles::systemd);
}

#[test]
fn any_bytes_as_a_program() {
    let programs = programs();
    let corpus: Vec<&[u8]> = programs.iter().map(Vec::as_slice).collect();
    run(16, 100, &corpus, &INSTRUCTIONS, 11, profiles::bpf);
    let mut numbers = Numbers::new(17);
    for _ in 0..80 {
        let one = numbers.below(programs.len());
        let bytes = mutated_program(&mut numbers, &programs[one]);
        profiles::bpf(&bytes);
    }
}

/// The mutations must get past the first check often enough to mean something.
#[test]
fn many_mutated_profiles_are_still_read() {
    let mut numbers = Numbers::new(18);
    let reads = |format, bytes: &[u8]| import(format, bytes, &Site::new(Arch::X86_64)).is_ok();
    let mut share = |format, corpus: &[&[u8]]| {
        (0..200).filter(|_| reads(format, &mutated(&mut numbers, corpus, &WORDS))).count()
    };
    let (oci, docker) = (share(Format::Oci, &[SMALL]), share(Format::Docker, &[DOCKER, SMALL]));
    let systemd = share(Format::Systemd, UNITS);
    let programs = programs();
    let mut numbers = Numbers::new(19);
    let bpf = (0..200).filter(|_| reads(Format::Bpf, &mutated_program(&mut numbers, &programs[0]))).count();
    assert!(oci > 10 && docker > 10 && systemd > 100 && bpf > 40, "{oci} {docker} {systemd} {bpf}");
}
