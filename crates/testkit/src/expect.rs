//! The one place that decides what happens to a test which this machine cannot run.
//!
//! It says why and passes as skipped, unless `SANDPRINT_EXPECT` lists what it needs: then it fails.
//! `SANDPRINT_EXPECT=ebpf,oracle` is for machines that are known to have both.

use std::env;

/// What a test may need that a machine may lack, by its name in `SANDPRINT_EXPECT`.
pub const NEEDS: &[(&str, &str)] = &[
    ("audit", "the right to read audit records, and a kernel that writes them"),
    ("busybox", "a static busybox"),
    ("bwrap", "bubblewrap, and namespaces for it"),
    ("crun", "crun"),
    (
        "debian12",
        "Debian 12 on x86_64, where the documents' transcripts come from and whose systemd is imported",
    ),
    ("ebpf", "the right to load BPF programs"),
    ("freezer", "the right to make a cgroup of version 1 that freezes"),
    ("gcc", "a C compiler, and one for C++"),
    ("i386", "a compiler for 32-bit programs, and a kernel that runs them"),
    ("inits", "tini-static and catatonit, the inits of containers"),
    ("io_uring", "a kernel that offers io_uring"),
    ("landlock", "a kernel with Landlock enabled"),
    ("libseccomp", "the header of libseccomp, and a C compiler"),
    ("locales", "localedef, and the sources of locales"),
    ("namespaces", "user namespaces"),
    ("notify", "seccomp notifications"),
    ("oracle", "strace, and at least 60 of the oracle's commands"),
    ("perl", "perl"),
    ("ptrace", "the right to trace what is started"),
    ("root", "the rights of root"),
    ("runc", "runc"),
    ("soak", "at least 36 of the programs of the soak test, in /usr"),
    ("strace", "strace, and the right to trace"),
    ("systemd", "systemd, and util-linux to start it in namespaces"),
    ("user_dispatch", "syscall user dispatch"),
    ("vim", "vim"),
];

/// Ends a test that cannot run here, for the reason `why`.
///
/// The caller returns after it.
///
/// # Panics
///
/// If `SANDPRINT_EXPECT` lists `need`, or anything that no test needs.
pub fn skip(need: &str, why: &str) {
    assert!(NEEDS.iter().any(|(name, _)| *name == need), "no test can need {need:?}: add it to NEEDS");
    assert!(!expected().iter().any(|name| name == need), "SANDPRINT_EXPECT has {need:?}, but: {why}");
    eprintln!("skipped, needs {need}: {why}");
}

/// What this machine is expected to have.
fn expected() -> Vec<String> {
    let list = env::var("SANDPRINT_EXPECT").unwrap_or_default();
    let names: Vec<String> =
        list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    for name in &names {
        assert!(
            NEEDS.iter().any(|(known, _)| known == name),
            "SANDPRINT_EXPECT has {name:?}, which no test needs; known: {}",
            NEEDS.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", "),
        );
    }
    names
}
