//! A short run of the fuzz targets: every reader of outside bytes, on mutated and on cut documents.
//!
//! The same seed gives the same inputs on every machine. The full targets are in `fuzz/`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test, also outside its test functions")]

#[path = "../../../fuzz/properties.rs"]
mod properties;

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
    b"10<sh> 23:59:59.500000 execve(\"/bin/sh\", [\"sh\"...], 0x7 /* 1 var */) = 0
10<sh> 23:59:59.750000 clone(child_stack=0x7, flags=CLONE_VM|CLONE_THREAD) = 11<sh>
[pid 11]      0.000020 [00007fb9740f7ad7] vfork(strace: Process 12 attached
 <unfinished ...>
11 [ Process PID=11 runs in x32 mode. ]
11 +++ superseded by execve in pid 12 +++
10 1700000000.000000001 syscall_0x1ff(1) = ? ERESTARTSYS (To be restarted)
10 +++ killed by SIGRT_3 (core dumped) +++
",
];

/// Words that mean something to one reader or another.
const WORDS: [&[u8]; 40] = [
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
];

/// A small generator of reproducible numbers (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit.max(1)
    }
}

/// One document of the corpus, or some of its lines, with a few changes.
fn mutated(numbers: &mut Numbers, corpus: &[&[u8]]) -> Vec<u8> {
    let mut bytes = sample(numbers, corpus).to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(40)).min(bytes.len());
        match numbers.below(9) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            2 if at < end => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..at, WORDS[numbers.below(WORDS.len())].iter().copied())),
            4 if at < end => drop(bytes.splice(at..end, WORDS[numbers.below(WORDS.len())].iter().copied())),
            5 if at < end => {
                let piece = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len());
                drop(bytes.splice(to..to, piece));
            }
            // Another digit or letter keeps the form and changes what it says.
            6 | 7 => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
                if let Some(found) = bytes[at..].iter().position(is_word) {
                    let byte = &mut bytes[at + found];
                    *byte = if byte.is_ascii_digit() { b'0' + (*byte + 1) % 10 } else { *byte ^ 1 };
                }
            }
            _ => {
                let other = sample(numbers, corpus);
                let from = numbers.below(other.len());
                let piece = other[from..(from + numbers.below(200)).min(other.len())].to_vec();
                drop(bytes.splice(at..at, piece));
            }
        }
    }
    bytes
}

fn sample<'c>(numbers: &mut Numbers, corpus: &[&'c [u8]]) -> &'c [u8] {
    const MOST: usize = 2000;
    let document = corpus[numbers.below(corpus.len())];
    if document.len() <= MOST {
        return document;
    }
    let from = numbers.below(document.len() - MOST);
    let start = document[..from].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    &document[start..start + MOST]
}

fn run(seed: u64, times: usize, corpus: &[&[u8]], property: fn(&[u8])) {
    let mut numbers = Numbers(seed);
    for _ in 0..times {
        property(&mutated(&mut numbers, corpus));
    }
    for document in corpus {
        let document = &document[..document.len().min(600)];
        for length in 0..=document.len() {
            property(&document[..length]);
        }
    }
}

#[test]
fn any_bytes_as_a_trace() {
    run(1, 5000, TRACES, properties::decode_trace);
}

#[test]
fn any_bytes_as_a_policy() {
    run(2, 5000, POLICIES, properties::decode_policy);
}

#[test]
fn any_bytes_as_a_strace_log() {
    run(3, 2000, STRACE, properties::import_strace);
}

#[test]
fn any_bytes_as_an_audit_log() {
    run(4, 2000, AUDIT, properties::import_audit);
}

#[test]
fn any_bytes_as_a_trace_of_sandprint_0_1() {
    run(5, 5000, SANDPRINT01, properties::import_sandprint01);
}

/// The mutations must get past the first check often enough to mean something.
#[test]
fn many_mutated_documents_are_still_read() {
    use sandprint_model::import::{ImportConfig, Source, import};
    let mut numbers = Numbers(6);
    let mut share = |corpus: &[&[u8]], reads: &dyn Fn(&[u8]) -> bool| {
        (0..300).filter(|_| reads(&mutated(&mut numbers, corpus))).count()
    };
    let config = ImportConfig { arch: sandprint_model::Arch::X86_64 };
    let imports = |source| move |bytes: &[u8]| import(source, bytes, &config).is_ok();
    let traces = share(TRACES, &|bytes| sandprint_model::wire::decode_trace(bytes).is_ok());
    let policies = share(POLICIES, &|bytes| sandprint_model::wire::decode_policy(bytes).is_ok());
    let straces = share(STRACE, &imports(Source::Strace));
    let audits = share(AUDIT, &imports(Source::Audit));
    let olds = share(SANDPRINT01, &imports(Source::Sandprint01));
    assert!(traces > 5 && policies > 5 && olds > 5, "{traces} {policies} {olds}");
    assert!(straces > 150 && audits > 150, "{straces} {audits}");
}
