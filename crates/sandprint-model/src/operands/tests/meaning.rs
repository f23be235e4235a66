//! What rows and flags mean: rights, links that are followed, paths that are none.

use std::collections::BTreeSet;

use super::call;
use crate::arguments::constant;
use crate::operands::{FileKind, follows_last_link, operands, rights, takes_empty};
use crate::{Abi, Syscall};

/// A constant under the name that the table of constants has.
fn bits(abi: Abi, names: &str) -> u64 {
    let value = |name| constant(abi, name).unwrap_or_else(|| panic!("{name}"));
    names.split('|').map(value).fold(0, |all, one| all | one)
}

#[test]
fn flags_of_open_are_rights() {
    use FileKind::{CharacterDevice, Directory, Fifo, Regular};
    let cases = [
        ("O_RDONLY", None, None, "read"),
        ("O_RDONLY", Some(Regular), Some(false), "read"),
        ("O_RDONLY", Some(Directory), None, "list"),
        ("O_RDONLY|O_DIRECTORY", None, None, "list"),
        // The bit of the other machines: of no meaning here.
        ("O_RDONLY|O_DIRECT", None, None, "read"),
        ("O_RDONLY|O_NOFOLLOW|O_LARGEFILE", None, None, "read"),
        ("O_WRONLY", None, None, "write"),
        ("O_WRONLY|O_APPEND", None, None, "append"),
        ("O_RDWR", None, None, "read,write"),
        ("O_RDWR|O_APPEND", None, None, "read,append"),
        ("O_ACCMODE", None, None, "metadata"),
        ("O_PATH", Some(Directory), None, "metadata"),
        ("O_PATH|O_RDWR|O_CREAT|O_TRUNC", None, None, "metadata"),
        ("O_WRONLY|O_CREAT|O_TRUNC", None, None, "write,create,truncate"),
        ("O_WRONLY|O_CREAT|O_TRUNC", Some(Regular), Some(false), "write,truncate"),
        ("O_WRONLY|O_CREAT|O_TRUNC", Some(Regular), Some(true), "write,create,truncate"),
        ("O_WRONLY|O_CREAT|O_TRUNC", Some(CharacterDevice), Some(false), "write"),
        ("O_RDONLY|O_TRUNC", None, None, "read,truncate"),
        ("O_RDWR|O_CREAT|O_EXCL", Some(Regular), Some(true), "read,write,create"),
        ("O_RDWR|O_TRUNC", Some(Fifo), None, "read,write"),
        ("O_RDWR|O_TMPFILE", Some(Directory), Some(false), "read,write,create"),
        ("O_WRONLY|O_TMPFILE|O_EXCL", None, None, "write,create"),
    ];
    for abi in Abi::ALL {
        for (flags, kind, made, expected) in cases {
            let at = rights(call(abi, "openat"), 0, bits(abi, flags), kind, made);
            assert_eq!(at.to_string(), expected, "{abi} {flags} {kind:?} {made:?}");
            for name in ["openat2", "open_by_handle_at"] {
                assert_eq!(
                    rights(call(abi, name), 0, bits(abi, flags), kind, made),
                    at,
                    "{abi} {name} {flags}"
                );
            }
        }
    }
    // A call without flags takes none from whoever asks.
    let creat = call(Abi::X86_64, "creat");
    assert_eq!(rights(creat, 0, 0o666, None, None).to_string(), "write,create,truncate");
    assert_eq!(rights(creat, 0, 0, Some(FileKind::Regular), Some(false)).to_string(), "write,truncate");
}

#[test]
fn every_other_use_of_a_path_is_a_right() {
    for (name, nth, flags, expected) in [
        ("newfstatat", 0, 0, "metadata"),
        ("access", 0, 4, "metadata"),
        ("fchmodat", 0, 0, "metadata"),
        ("chdir", 0, 0, "metadata"),
        ("move_mount", 1, 0, "metadata"),
        ("open_tree", 0, 1, "metadata"),
        ("mkdir", 0, 0o777, "create"),
        ("symlinkat", 0, 0, "create"),
        ("mknod", 0, 0o644, "create"),
        ("mknodat", 0, 0o010_644, "create"),
        ("mknodat", 0, 0o140_777, "create,socket"),
        // Those bits are no kind in any other call.
        ("mkdirat", 0, 0o140_777, "create"),
        ("unlinkat", 0, 0x200, "delete"),
        ("rmdir", 0, 0, "delete"),
        ("rename", 0, 0, "rename"),
        ("renameat2", 1, 2, "rename"),
        ("link", 0, 0, "link"),
        ("linkat", 1, 0, "create,link"),
        ("truncate", 0, 0, "truncate"),
        ("execve", 0, 0, "execute"),
        ("execveat", 0, 0x1000, "execute"),
        ("acct", 0, 0, "append"),
        ("swapon", 0, 0, "read,write"),
        // No such path, no path at all, no operands.
        ("execve", 1, 0, ""),
        ("fchmod", 0, 0, ""),
        ("open_by_handle_at", 1, 0, ""),
        ("read", 0, 0, ""),
    ] {
        assert_eq!(
            rights(call(Abi::X86_64, name), nth, flags, None, None).to_string(),
            expected,
            "{name} {nth}"
        );
    }
    assert!(rights(Syscall { abi: Abi::X86_64, nr: 9999 }, 0, 0, None, None).is_empty());
}

#[test]
fn last_links_and_empty_paths_go_by_the_flags() {
    for abi in Abi::ALL {
        for (name, nth, flags, follows, empty) in [
            ("openat", 0, "O_RDONLY", true, false),
            ("openat", 0, "O_RDWR|O_NOFOLLOW", false, false),
            ("openat", 0, "O_RDWR|O_DIRECT", true, false),
            ("openat", 0, "O_RDWR|O_CREAT", true, false),
            ("openat", 0, "O_RDWR|O_CREAT|O_EXCL", false, false),
            ("openat", 0, "O_PATH|O_CREAT|O_EXCL", true, false),
            ("openat2", 0, "O_PATH|O_NOFOLLOW", false, false),
            ("statx", 0, "AT_STATX_FORCE_SYNC", true, false),
            ("statx", 0, "AT_SYMLINK_NOFOLLOW", false, false),
            ("statx", 0, "AT_EMPTY_PATH", true, true),
            ("linkat", 0, "AT_EMPTY_PATH", false, true),
            ("linkat", 0, "AT_SYMLINK_FOLLOW", true, false),
            ("linkat", 1, "AT_SYMLINK_FOLLOW|AT_EMPTY_PATH", false, false),
            ("name_to_handle_at", 0, "AT_SYMLINK_FOLLOW", true, false),
            ("move_mount", 0, "MOVE_MOUNT_F_SYMLINKS|MOVE_MOUNT_T_EMPTY_PATH", true, false),
            ("move_mount", 1, "MOVE_MOUNT_F_SYMLINKS|MOVE_MOUNT_T_EMPTY_PATH", false, true),
            ("move_mount", 1, "MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_SYMLINKS", true, false),
            ("fspick", 0, "FSPICK_SYMLINK_NOFOLLOW|FSPICK_EMPTY_PATH", false, true),
            ("inotify_add_watch", 0, "IN_DONT_FOLLOW", false, false),
            ("fanotify_mark", 0, "FAN_MARK_ADD|FAN_MARK_DONT_FOLLOW", false, false),
            ("fanotify_mark", 0, "FAN_MARK_ADD", true, false),
            ("umount2", 0, "UMOUNT_NOFOLLOW", false, false),
            ("fsconfig", 0, "FSCONFIG_SET_PATH", true, false),
            ("fsconfig", 0, "FSCONFIG_SET_PATH_EMPTY", true, true),
            ("readlinkat", 0, "O_RDONLY", false, true),
            // Not of these calls.
            ("faccessat", 0, "AT_SYMLINK_NOFOLLOW|AT_EMPTY_PATH", true, false),
            ("fchmodat", 0, "AT_SYMLINK_NOFOLLOW|AT_EMPTY_PATH", true, false),
            ("unlinkat", 0, "AT_REMOVEDIR", false, false),
        ] {
            let (call, flags) = (call(abi, name), bits(abi, flags));
            assert_eq!(follows_last_link(call, nth, flags), follows, "{abi} {name} {nth} {flags:#x}");
            assert_eq!(takes_empty(call, nth, flags), empty, "{abi} {name} {nth} {flags:#x}");
        }
    }
    for (name, follows) in [
        ("creat", true),
        ("stat", true),
        ("lstat", false),
        ("chown", true),
        ("lchown", false),
        ("uselib", true),
    ] {
        assert_eq!(follows_last_link(call(Abi::I386, name), 0, 0), follows, "{name}");
    }
}

#[test]
fn conditions_read_the_arguments() {
    let is_path =
        |name, nth: usize, args| operands(call(Abi::X86_64, name)).unwrap().paths[nth].is_path(&args);
    for (flags, expected) in [
        ("MS_RDONLY", false),
        ("MS_BIND|MS_REC", true),
        ("MS_MOVE", true),
        ("MS_BIND|MS_REMOUNT|MS_RDONLY", false),
        ("MS_BIND|MS_MGC_VAL", true),
    ] {
        let args = [1, 2, 3, bits(Abi::X86_64, flags), 0, 0];
        assert_eq!((is_path("mount", 0, args), is_path("mount", 1, args)), (expected, true), "{flags}");
    }
    // QCMD(Q_QUOTAON, GRPQUOTA), sign-extended or not; QCMD(Q_QUOTAOFF, USRQUOTA); QCMD(Q_XQUOTAON, USRQUOTA).
    for (command, expected) in
        [(0x8000_0201, true), (0xffff_ffff_8000_0201, true), (0x8000_0300, false), (0x0058_0100, false)]
    {
        assert_eq!(is_path("quotactl", 1, [command, 1, 0, 1, 0, 0]), expected, "{command:#x}");
    }
    for (command, expected) in [(1, false), (3, true), (4, true), (5, false), (6, false)] {
        assert_eq!(is_path("fsconfig", 0, [3, command, 1, 1, 0, 0]), expected, "{command}");
    }
    assert!(
        is_path("fanotify_mark", 0, [3, 1, 0, 0, 0, 0])
            && !is_path("fanotify_mark", 0, [3, 0x80, 0, 0, 0, 0])
    );

    let descriptor = |name, args, kind| {
        let operand = operands(call(Abi::X86_64, name)).unwrap().descriptor.unwrap();
        operand.rights(&args, kind).to_string()
    };
    assert_eq!(descriptor("mmap", [0, 1, 5, 2, 3, 0], None), "map-exec");
    assert_eq!(descriptor("mmap", [0, 1, 3, 2, 3, 0], None), "");
    assert_eq!(descriptor("mmap", [0, 1, 7, 0x22, u64::MAX, 0], None), "");
    assert_eq!(descriptor("ioctl", [0; 6], Some(FileKind::CharacterDevice)), "ioctl");
    assert_eq!(descriptor("ioctl", [0; 6], None), "ioctl");
    assert_eq!(descriptor("ioctl", [0; 6], Some(FileKind::Regular)), "");
    assert_eq!(descriptor("ftruncate", [0; 6], None), "truncate");

    let flags = |name, args| operands(call(Abi::X86_64, name)).unwrap().flags.value(&args);
    assert_eq!(flags("openat", [1, 2, 3, 4, 5, 6]), Some(3));
    assert_eq!(flags("creat", [1, 2, 3, 4, 5, 6]), Some(0o1101));
    assert_eq!(flags("openat2", [1, 2, 3, 4, 5, 6]), None);
    assert_eq!(flags("rename", [1, 2, 3, 4, 5, 6]), Some(0));
}

#[test]
fn kinds_are_those_of_modes() {
    let kinds: Vec<FileKind> = (0..16).filter_map(|kind| FileKind::from_mode(kind << 12 | 0o7777)).collect();
    let distinct: BTreeSet<FileKind> = kinds.iter().copied().collect();
    assert_eq!((kinds.len(), distinct.len()), (7, 7));
    for (name, kind) in [
        ("S_IFSOCK", FileKind::Socket),
        ("S_IFLNK", FileKind::Link),
        ("S_IFREG", FileKind::Regular),
        ("S_IFBLK", FileKind::BlockDevice),
        ("S_IFDIR", FileKind::Directory),
        ("S_IFCHR", FileKind::CharacterDevice),
        ("S_IFIFO", FileKind::Fifo),
    ] {
        let mode = u32::try_from(bits(Abi::X86_64, name)).unwrap();
        assert_eq!(FileKind::from_mode(mode | 0o644), Some(kind));
    }
}
