//! Directories where everybody may make files: what somebody else puts there is not written by us.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::super::{Destination, Privacy};
use testkit::expect;

/// Somebody else.
const OTHER: u32 = 61_234;

/// A directory like /tmp, in one that everybody may enter; none where we are not root.
fn shared() -> Option<(tempfile::TempDir, PathBuf)> {
    if !rustix::process::geteuid().is_root() {
        expect::skip("root", "only root can have files of somebody else");
        return None;
    }
    let scratch = tempfile::tempdir().unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let shared = scratch.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    Some((scratch, shared))
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn write(path: &Path, privacy: Privacy) -> Result<(), String> {
    let written = Destination::resolve(path).map_err(anyhow::Error::new);
    let written = written.and_then(|destination| destination.write(b"secret", privacy));
    written.map_err(|error| error.to_string())
}

/// Has somebody else exchange two names, again and again, while this is done.
fn attacked(a: &Path, b: &Path, done: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let over = &over;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (user, group) = (Uid::from_raw(OTHER), Gid::from_raw(OTHER));
            set_thread_groups(&[]).unwrap();
            set_thread_res_gid(group, group, group).unwrap();
            set_thread_res_uid(user, user, user).unwrap();
            while !over.load(Ordering::Relaxed) {
                renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
            }
        });
        done();
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_somebody_else_put_there_is_refused() {
    let Some((scratch, shared)) = shared() else { return };
    let precious = scratch.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    let at = |name: &str| shared.join(name);
    let theirs = |name: &str| std::os::unix::fs::lchown(at(name), Some(OTHER), Some(OTHER)).unwrap();
    fs::write(at("file"), "theirs").unwrap();
    fifo(&at("pipe"));
    symlink(&precious, at("link")).unwrap();
    symlink(scratch.path(), at("directory")).unwrap();
    for name in ["file", "pipe", "link", "directory"] {
        theirs(name);
    }
    for (name, what) in
        [("file", "file"), ("pipe", "named pipe"), ("link", "link"), ("directory/precious", "link")]
    {
        for privacy in [Privacy::Private, Privacy::Shared] {
            let expected = format!(
                "failed to write `{}`: it is a {what} of user {OTHER}, in a directory where everybody may make files",
                at(name).display()
            );
            assert_eq!(write(&at(name), privacy), Err(expected));
        }
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "theirs");
}

#[test]
fn what_is_ours_or_the_directorys_owners_is_written() {
    let Some((scratch, shared)) = shared() else { return };
    let at = |name: &str| shared.join(name);
    fs::write(at("ours"), "old").unwrap();
    fs::write(scratch.path().join("target"), "old").unwrap();
    symlink("../target", at("link")).unwrap();
    chown(&shared, Some(OTHER), Some(OTHER)).unwrap();
    fs::write(at("owners"), "old").unwrap();
    chown(at("owners"), Some(OTHER), Some(OTHER)).unwrap();
    for name in ["ours", "link", "owners", "new"] {
        write(&at(name), Privacy::Shared).unwrap();
        assert_eq!(fs::read_to_string(at(name)).unwrap(), "secret", "{name}");
    }
    assert!(at("link").is_symlink());
    assert_eq!(fs::metadata(at("owners")).unwrap().uid(), OTHER);
    // Where not everybody may make files, a file of somebody else is like any other.
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(at("theirs"), "old").unwrap();
    chown(at("theirs"), Some(4242), Some(4242)).unwrap();
    write(&at("theirs"), Privacy::Private).unwrap();
    let after = fs::metadata(at("theirs")).unwrap();
    assert_eq!((after.uid(), after.gid()), (4242, 4242));
}

#[test]
fn no_exchange_of_names_leads_us_to_another_file() {
    const ROUNDS: usize = 3000;
    let Some((scratch, shared)) = shared() else { return };
    let precious = scratch.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    let before = fs::metadata(&precious).unwrap();
    let (a, b) = (shared.join("a"), shared.join("b"));
    for other in ["file", "pipe", "link"] {
        match other {
            "file" => fs::write(&a, "theirs").unwrap(),
            "pipe" => fifo(&a),
            _ => symlink("nothing", &a).unwrap(),
        }
        symlink(&precious, &b).unwrap();
        for path in [&a, &b] {
            std::os::unix::fs::lchown(path, Some(OTHER), Some(OTHER)).unwrap();
        }
        let mut written = 0;
        attacked(&a, &b, || {
            written = (0..ROUNDS).filter(|_| write(&a, Privacy::Private).is_ok()).count();
        });
        assert_eq!(written, 0, "{other}");
        let after = fs::metadata(&precious).unwrap();
        assert_eq!((after.ino(), after.uid()), (before.ino(), before.uid()), "{other}");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious", "{other}");
        fs::remove_file(&a).unwrap();
        fs::remove_file(&b).unwrap();
    }
}

#[test]
fn no_exchange_of_directories_leads_us_to_another_file() {
    const ROUNDS: usize = 1000;
    let Some((scratch, shared)) = shared() else { return };
    let safe = scratch.path().join("safe");
    fs::create_dir(&safe).unwrap();
    fs::write(safe.join("out"), "precious").unwrap();
    let (a, b) = (shared.join("a"), shared.join("b"));
    fs::create_dir(&a).unwrap();
    symlink(&safe, &b).unwrap();
    for path in [&a, &b] {
        std::os::unix::fs::lchown(path, Some(OTHER), Some(OTHER)).unwrap();
    }
    let mut written = 0;
    attacked(&a, &b, || {
        written = (0..ROUNDS).filter(|_| write(&a.join("out"), Privacy::Private).is_ok()).count();
    });
    assert!(written > 0, "their own directory is no link");
    assert_eq!(fs::read_to_string(safe.join("out")).unwrap(), "precious");
    assert_eq!(fs::read_dir(&safe).unwrap().count(), 1);
}

#[test]
fn a_name_that_is_taken_from_us_is_done_without() {
    let Some((scratch, shared)) = shared() else { return };
    let precious = scratch.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    let path = shared.join("t");
    write(&path, Privacy::Private).unwrap();
    let usual = shared.join(super::super::temporary::usual_name("t".as_ref()));
    symlink(&precious, &usual).unwrap();
    std::os::unix::fs::lchown(&usual, Some(OTHER), Some(OTHER)).unwrap();
    write(&path, Privacy::Private).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "secret");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert!(usual.is_symlink());
    assert_eq!(fs::read_dir(&shared).unwrap().count(), 2);
}
