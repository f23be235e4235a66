//! A short run of the fuzz targets: every reader of outside bytes, on mutated and on cut documents.
//!
//! The same seed gives the same inputs on every machine. The full targets are in `fuzz/`.

use testkit::hostile::mutation::{mutated, run};
use testkit::hostile::numbers::Numbers;
use testkit::hostile::properties;

macro_rules! data {
    ($name:literal) => {
        include_bytes!(concat!("data/", $name)).as_slice()
    };
}

const TRACES: &[&[u8]] = &[data!("wire/trace-v1.json")];
const POLICIES: &[&[u8]] = &[data!("wire/policy-v1.json")];
const SANDPRINT01: &[&[u8]] = &[data!("sandprint01/run.json")];
const AUDIT: &[&[u8]] =
    &[data!("audit/kernel.log"), data!("audit/interpreted.log"), data!("audit/journal.log")];
const STRACE: &[&[u8]] = &[
    data!("strace/numbers.log"),
    data!("strace/threads.log"),
    data!("strace/stderr.log"),
    data!("strace/attached.log"),
    data!("strace/filtered.log"),
    data!("strace/details.log"),
    data!("strace/details-yy.log"),
    data!("strace/details-verbose.log"),
    b"10<sh> 23:59:59.500000 execve(\"/bin/sh\", [\"sh\"...], 0x7 /* 1 var */) = 0
10<sh> 23:59:59.750000 clone(child_stack=0x7, flags=CLONE_VM|CLONE_THREAD) = 11<sh>
[pid 11]      0.000020 [00007fb9740f7ad7] vfork(strace: Process 12 attached
 <unfinished ...>
11 [ Process PID=11 runs in x32 mode. ]
11 +++ superseded by execve in pid 12 +++
10 1700000000.000000001 syscall_0x1ff(1) = ? ERESTARTSYS (To be restarted)
10 +++ killed by SIGRT_3 (core dumped) +++
",
    b"1 execve(\"/a\", [], 0x1) = 0
1 openat(AT_FDCWD</a>, \"b, \\\"c\\n\", O_RDWR|0x80000|21<<MAP_HUGE_SHIFT, 0600) = 3</d\\76<char 1:3>>(deleted)
1 clone3({flags=CLONE_VM|CLONE_FILES, exit_signal=0} => {parent_tid=[2]}, 88) = 2
2 sendmmsg(4<UNIX-STREAM:[1->2,\"/x>\"]>, [{msg_hdr={msg_name={sa_family=AF_UNIX, sun_path=@\"a\\0\"}}, msg_len=5}, ...], 2, 0) = 2
2 fcntl(3, F_DUPFD_CLOEXEC, 100 <unfinished ...>
1 close_range(3, 4294967295, 0) = 0
2 <... fcntl resumed>) = 100
1 +++ superseded by execve in pid 2 +++
",
];

const POLICY_FILES: &[&[u8]] = &[
    br#"# what the updater may do
version = 1
default = "errno EPERM"
foreign = "kill-process"
kernel = "6.1"
notes = ["x32 is refused"]

[[x86_64.exit_group]]
do = "allow"
why = [
    { observed = 12, runs = 2, by = ["/usr/bin/curl"] }, # twice
    "it ends",
]

[[x86_64.socket]]
do = "allow"
when = ["arg0.u32 == AF_INET", "arg1.u32 & 0xf == SOCK_STREAM"] # IPv4
why = ["the update check"]

[[x86_64.socket]]
do = "errno EAFNOSUPPORT"

# at the end
"#,
    br#"version = 1
default = "errno 38"
foreign = "kill-thread"
[[aarch64.clone]]
do = "allow"
when = ["arg0.u64 & CLONE_NEWNS|CLONE_NEWUSER == 0", "arg5.u64 >= 0xffff000000000000"]
[[arm.999]]
do = "trace 7"
[[x32.read]]
do = "notify"
"#,
];

/// Words of a policy file.
const FILE_WORDS: [&[u8]; 24] = [
    b"\n",
    b"#",
    b"# a comment\n",
    b"\"",
    b"'",
    b"[[",
    b"]]",
    b"[[x86_64.read]]\n",
    b"[[i386.7]]\n",
    b"do = \"log\"\n",
    b"when = []\n",
    b"why = [\"\\u202e\"]\n",
    b"{ observed = 1, runs = 1 }",
    b"\"\"\"",
    b"arg6.u64 == 1",
    b" & 0x0 == 0",
    b" != ",
    b"18446744073709551616",
    b"errno 4096",
    b"kill-process",
    b".",
    b"\x1b[2J",
    b"\xff",
    b"\r\n",
];

/// Words that mean something to one reader or another.
const WORDS: [&[u8]; 48] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\n",
    b" = ",
    b") = ",
    b" <unfinished ...>\n",
    b"<... execve resumed>",
    b" resumed>",
    b"execve(\"",
    b"clone(",
    b"[pid ",
    b"+++ exited with 0 +++",
    b"--- ",
    b"[ Process PID=1 runs in 32 bit mode. ]",
    b"strace: Process 7 attached",
    b"audit(",
    b"type=1326 ",
    b" arch=",
    b" syscall=",
    b" comm=",
    b" exe=",
    b"\x1d",
    b"18446744073709551615",
    b"-1",
    b"1e999",
    b"0",
    b"null",
    b"\xff",
    b"\x00",
    b"\\u0000",
    b"\\xff",
    b"4294967296",
    b"1073741863",
    b"SECCOMP ",
    b"3</a>",
    b" /* ",
    b" */",
    b"{sa_family=AF_INET6, ",
    b"|",
    b"<<",
    b"htons(",
    b"...",
];

#[test]
fn any_bytes_as_a_trace() {
    run(1, 5000, TRACES, &WORDS, 1, properties::decode_trace);
}

#[test]
fn any_bytes_as_a_policy() {
    run(2, 5000, POLICIES, &WORDS, 1, properties::decode_policy);
}

#[test]
fn any_bytes_as_a_policy_file() {
    run(7, 3000, POLICY_FILES, &FILE_WORDS, 1, properties::read_policy_file);
}

#[test]
fn any_bytes_as_a_strace_log() {
    run(3, 2000, STRACE, &WORDS, 1, properties::import_strace);
}

#[test]
fn any_bytes_as_an_audit_log() {
    run(4, 2000, AUDIT, &WORDS, 1, properties::import_audit);
}

#[test]
fn any_bytes_as_a_trace_of_sandprint_0_1() {
    run(5, 5000, SANDPRINT01, &WORDS, 1, properties::import_sandprint01);
}

/// The mutations must get past the first check often enough to mean something.
#[test]
fn many_mutated_documents_are_still_read() {
    use sandprint_model::import::{ImportConfig, Source, import};
    use sandprint_model::wire::PolicyFile;
    let mut numbers = Numbers::new(6);
    let mut share = |corpus: &[&[u8]], reads: &dyn Fn(&[u8]) -> bool| {
        (0..300).filter(|_| reads(&mutated(&mut numbers, corpus, &WORDS))).count()
    };
    let config = ImportConfig { arch: sandprint_model::Arch::X86_64 };
    let imports = |source| move |bytes: &[u8]| import(source, bytes, &config).is_ok();
    let traces = share(TRACES, &|bytes| sandprint_model::wire::decode_trace(bytes).is_ok());
    let policies = share(POLICIES, &|bytes| sandprint_model::wire::decode_policy(bytes).is_ok());
    let straces = share(STRACE, &imports(Source::Strace));
    let audits = share(AUDIT, &imports(Source::Audit));
    let olds = share(SANDPRINT01, &imports(Source::Sandprint01));
    let mut numbers = Numbers::new(8);
    let reads_file = |bytes: &[u8]| str::from_utf8(bytes).is_ok_and(|text| PolicyFile::read(text).is_ok());
    let files = (0..300).filter(|_| reads_file(&mutated(&mut numbers, POLICY_FILES, &FILE_WORDS))).count();
    assert!(files > 5, "{files}");
    assert!(traces > 5 && policies > 5 && olds > 5, "{traces} {policies} {olds}");
    assert!(straces > 150 && audits > 150, "{straces} {audits}");
}
