//! What this machine lets a test do, and what became of a file.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use testkit::expect::skip;
use testkit::scratch::Scratch;
use testkit::shell;

use crate::SANDPRINT;

/// Whether the tests run as root; says that a test is skipped where they do not.
pub(crate) fn is_root() -> bool {
    let root = shell::is_root();
    if !root {
        skip("root", "the tests run as somebody else");
    }
    root
}

/// Whether this host can record; says that a test is skipped where it cannot.
pub(crate) fn can_record() -> bool {
    let doctor = Scratch::of(SANDPRINT).run(&["doctor"]);
    let can = doctor.status == 0 && !doctor.stdout.contains("\nmissing ");
    if !can {
        skip("ebpf", &doctor.stdout);
    }
    can
}

/// Whether a private mount namespace with a tmpfs can be had here.
pub(crate) fn can_mount() -> bool {
    let probe = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
        .stdin(Stdio::null())
        .output();
    let works = probe.is_ok_and(|output| output.status.success());
    if !works {
        skip("root", "`unshare -m mount` does not work");
    }
    works
}

/// Mode bits and owner of a file.
pub(crate) fn mode_and_owner(path: &Path) -> (u32, u32, u32) {
    let metadata = fs::metadata(path).unwrap();
    (metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
}
