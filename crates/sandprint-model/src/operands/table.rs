//! The table of operands, by name. A call that differs between ABIs has its narrower row first.
//!
//! Where no source is named it is the manual page, and that a last link is followed unless the row says otherwise.

use super::Role::{
    Changed, Created, Deleted, Entered, Examined, Executed, LinkMade, Linked, Logged, Mounted, NodeMade,
    Opened, Renamed, Swapped, Truncated,
};
use super::rights::{O_CREAT, O_TRUNC, O_WRONLY};
use super::{Condition, DescriptorOperand, Empty, Flags, LastLink, Operands, PathOperand, Role, Row};
use crate::{Abi, Right};

/// `AT_SYMLINK_NOFOLLOW`.
const NOFOLLOW: u64 = 0x100;
/// `AT_SYMLINK_FOLLOW`.
const FOLLOW: u64 = 0x400;
/// `AT_EMPTY_PATH`.
const EMPTY: u64 = 0x1000;
const FAN_MARK_DONT_FOLLOW: u64 = 4;
const FAN_MARK_FLUSH: u64 = 0x80;
const FSCONFIG_SET_PATH: u64 = 3;
const FSCONFIG_SET_PATH_EMPTY: u64 = 4;
const FSPICK_SYMLINK_NOFOLLOW: u64 = 2;
const FSPICK_EMPTY_PATH: u64 = 8;
const IN_DONT_FOLLOW: u64 = 0x0200_0000;
const MAP_ANONYMOUS: u64 = 0x20;
const MOVE_MOUNT_F_SYMLINKS: u64 = 1;
const MOVE_MOUNT_F_EMPTY_PATH: u64 = 4;
const MOVE_MOUNT_T_SYMLINKS: u64 = 0x10;
const MOVE_MOUNT_T_EMPTY_PATH: u64 = 0x40;
const MS_BIND: u64 = 0x1000;
const MS_MOVE: u64 = 0x2000;
const MS_REMOUNT: u64 = 0x20;
const PROT_EXEC: u64 = 4;
/// `Q_QUOTAON`, as `QCMD` shifts it (linux/quota.h).
const QUOTA_ON: u64 = 0x8000_0200;
/// What of a command of `quotactl` is not the kind of quota.
const QUOTA_COMMAND: u64 = 0xffff_ff00;
const UMOUNT_NOFOLLOW: u64 = 8;

/// Code is mapped from a file. With the personality `READ_IMPLIES_EXEC`, every readable mapping is code too.
const MAPS_CODE: &[Condition] = &[
    Condition { argument: 2, mask: PROT_EXEC, values: &[PROT_EXEC] },
    Condition { argument: 3, mask: MAP_ANONYMOUS, values: &[0] },
];
/// The source is a path. It is one too where a filesystem lies on a device, which no argument tells: the kernel asks the
/// filesystem. A remount looks at no source, whatever else is asked (`path_mount`, fs/namespace.c).
const BINDS_OR_MOVES: Condition = Condition {
    argument: 3,
    mask: MS_BIND | MS_MOVE | MS_REMOUNT,
    values: &[MS_BIND, MS_MOVE, MS_BIND | MS_MOVE],
};
/// To take away all marks needs no path (`do_fanotify_mark`, `fs/notify/fanotify/fanotify_user.c`).
const MARKS_ONE: Condition = Condition { argument: 1, mask: FAN_MARK_FLUSH, values: &[0] };
const TURNS_QUOTA_ON: Condition = Condition { argument: 0, mask: QUOTA_COMMAND, values: &[QUOTA_ON] };
/// The value is a path. As the string of a `source` it may be one too, which is the filesystem's affair.
const SETS_PATH: Condition =
    Condition { argument: 1, mask: 0xffff_ffff, values: &[FSCONFIG_SET_PATH, FSCONFIG_SET_PATH_EMPTY] };

pub(super) static ROWS: &[Row] = &[
    row("access", &[path(0, Examined)]),
    // NULL ends it. The kernel opens the file to append (kernel/acct.c).
    row("acct", &[path(0, Logged)]),
    row("chdir", &[path(0, Entered)]),
    row("chmod", &[path(0, Changed)]),
    row("chown", &[path(0, Changed)]),
    row("chown32", &[path(0, Changed)]),
    row("chroot", &[path(0, Entered)]),
    row("creat", &[path(0, Opened).as_opened()]).opens(Flags::Implied(O_CREAT | O_WRONLY | O_TRUNC)),
    row("execve", &[path(0, Executed)]),
    row("execveat", &[path_at(0, 1, Executed).unless(NOFOLLOW).empty_if(EMPTY)]).flags(4),
    row("faccessat", &[path_at(0, 1, Examined)]),
    row("faccessat2", &[path_at(0, 1, Examined).unless(NOFOLLOW).empty_if(EMPTY)]).flags(3),
    // Its mask of 64 bits takes two registers.
    row("fanotify_mark", &[path_at(4, 5, Examined).unless(FAN_MARK_DONT_FOLLOW).or_null().when(MARKS_ONE)])
        .flags(1)
        .only(&[Abi::Arm, Abi::I386]),
    row("fanotify_mark", &[path_at(3, 4, Examined).unless(FAN_MARK_DONT_FOLLOW).or_null().when(MARKS_ONE)])
        .flags(1),
    descriptor("fchdir", 0, Right::Metadata),
    descriptor("fchmod", 0, Right::Metadata),
    row("fchmodat", &[path_at(0, 1, Changed)]),
    row("fchmodat2", &[path_at(0, 1, Changed).unless(NOFOLLOW).empty_if(EMPTY)]).flags(3),
    descriptor("fchown", 0, Right::Metadata),
    descriptor("fchown32", 0, Right::Metadata),
    row("fchownat", &[path_at(0, 1, Changed).unless(NOFOLLOW).empty_if(EMPTY)]).flags(4),
    descriptor("fgetxattr", 0, Right::Metadata),
    // fs/file_attr.c
    row("file_getattr", &[path_at(0, 1, Examined).unless(NOFOLLOW).empty_if(EMPTY)]).flags(4),
    row("file_setattr", &[path_at(0, 1, Changed).unless(NOFOLLOW).empty_if(EMPTY)]).flags(4),
    descriptor("flistxattr", 0, Right::Metadata),
    descriptor("fremovexattr", 0, Right::Metadata),
    // Its command is what allows an empty path (fs/fsopen.c). That of a path has not that bit.
    row("fsconfig", &[path_at(4, 3, Mounted).empty_if(FSCONFIG_SET_PATH_EMPTY).when(SETS_PATH)]).flags(1),
    descriptor("fsetxattr", 0, Right::Metadata),
    // fs/fsopen.c
    row("fspick", &[path_at(0, 1, Mounted).unless(FSPICK_SYMLINK_NOFOLLOW).empty_if(FSPICK_EMPTY_PATH)])
        .flags(2),
    descriptor("fstat", 0, Right::Metadata),
    descriptor("fstat64", 0, Right::Metadata),
    row("fstatat64", &[path_at(0, 1, Examined).unless(NOFOLLOW).empty_if(EMPTY)]).flags(3),
    descriptor("fstatfs", 0, Right::Metadata),
    descriptor("fstatfs64", 0, Right::Metadata),
    descriptor("ftruncate", 0, Right::Truncate),
    descriptor("ftruncate64", 0, Right::Truncate),
    row("futimesat", &[path_at(0, 1, Changed).or_null()]),
    row("getxattr", &[path(0, Examined)]),
    row("getxattrat", &[path_at(0, 1, Examined).unless(NOFOLLOW).empty_if(EMPTY)]).flags(2),
    row("inotify_add_watch", &[path(1, Examined).unless(IN_DONT_FOLLOW)]).flags(2),
    descriptor("ioctl", 0, Right::Ioctl).devices_only(),
    row("lchown", &[path(0, Changed).kept()]),
    row("lchown32", &[path(0, Changed).kept()]),
    row("lgetxattr", &[path(0, Examined).kept()]),
    row("link", &[path(0, Linked).kept(), path(1, LinkMade).kept()]),
    row("linkat", &[path_at(0, 1, Linked).if_asked(FOLLOW).empty_if(EMPTY), path_at(2, 3, LinkMade).kept()])
        .flags(4),
    row("listxattr", &[path(0, Examined)]),
    row("listxattrat", &[path_at(0, 1, Examined).unless(NOFOLLOW).empty_if(EMPTY)]).flags(2),
    row("llistxattr", &[path(0, Examined).kept()]),
    row("lremovexattr", &[path(0, Changed).kept()]),
    row("lsetxattr", &[path(0, Changed).kept()]),
    row("lstat", &[path(0, Examined).kept()]),
    row("lstat64", &[path(0, Examined).kept()]),
    row("mkdir", &[path(0, Created).kept()]),
    row("mkdirat", &[path_at(0, 1, Created).kept()]),
    row("mknod", &[path(0, NodeMade).kept()]).flags(1),
    row("mknodat", &[path_at(0, 1, NodeMade).kept()]).flags(2),
    // struct mmap_arg_struct32 (arch/x86/kernel/sys_ia32.c): the same arguments, in memory.
    descriptor("mmap", 4, Right::MapExec).descriptor_when(MAPS_CODE).in_memory().only(&[Abi::I386]),
    descriptor("mmap", 4, Right::MapExec).descriptor_when(MAPS_CODE),
    descriptor("mmap2", 4, Right::MapExec).descriptor_when(MAPS_CODE),
    row("mount", &[path(0, Mounted).when(BINDS_OR_MOVES), path(1, Mounted)]),
    row("mount_setattr", &[path_at(0, 1, Mounted).unless(NOFOLLOW).empty_if(EMPTY)]).flags(2),
    row(
        "move_mount",
        &[
            path_at(0, 1, Mounted).if_asked(MOVE_MOUNT_F_SYMLINKS).empty_if(MOVE_MOUNT_F_EMPTY_PATH),
            path_at(2, 3, Mounted).if_asked(MOVE_MOUNT_T_SYMLINKS).empty_if(MOVE_MOUNT_T_EMPTY_PATH),
        ],
    )
    .flags(4),
    row("name_to_handle_at", &[path_at(0, 1, Examined).if_asked(FOLLOW).empty_if(EMPTY)]).flags(4),
    row("newfstatat", &[path_at(0, 1, Examined).unless(NOFOLLOW).empty_if(EMPTY)]).flags(3),
    descriptor("oldfstat", 0, Right::Metadata),
    row("oldlstat", &[path(0, Examined).kept()]),
    row("oldstat", &[path(0, Examined)]),
    row("open", &[path(0, Opened).as_opened()]).opens(Flags::Argument(1)),
    // The descriptor in argument 0 says of which mount a handle is; it is no directory where a path begins.
    row("open_by_handle_at", &[]).opens(Flags::Argument(2)),
    // It gives a descriptor as O_PATH does, whatever is asked (fs/namespace.c).
    row("open_tree", &[path_at(0, 1, Mounted).unless(NOFOLLOW).empty_if(EMPTY)]).opens(Flags::Argument(2)),
    row("open_tree_attr", &[path_at(0, 1, Mounted).unless(NOFOLLOW).empty_if(EMPTY)])
        .opens(Flags::Argument(2)),
    row("openat", &[path_at(0, 1, Opened).as_opened()]).opens(Flags::Argument(2)),
    row("openat2", &[path_at(0, 1, Opened).as_opened()]).opens(Flags::OpenHow(2)),
    row("pivot_root", &[path(0, Mounted), path(1, Mounted)]),
    // NULL stands for every device. To turn a quota on, the address is that of its file's path (fs/quota/quota.c).
    row("quotactl", &[path(1, Examined), path(3, Examined).when(TURNS_QUOTA_ON)]),
    descriptor("quotactl_fd", 0, Right::Metadata),
    row("readlink", &[path(0, Examined).kept()]),
    // An empty path is one to the link that the descriptor itself is, opened with O_PATH and O_NOFOLLOW.
    row("readlinkat", &[path_at(0, 1, Examined).kept().empty()]),
    row("removexattr", &[path(0, Changed)]),
    row("removexattrat", &[path_at(0, 1, Changed).unless(NOFOLLOW).empty_if(EMPTY)]).flags(2),
    row("rename", &[path(0, Renamed).kept(), path(1, Renamed).kept()]),
    row("renameat", &[path_at(0, 1, Renamed).kept(), path_at(2, 3, Renamed).kept()]),
    row("renameat2", &[path_at(0, 1, Renamed).kept(), path_at(2, 3, Renamed).kept()]),
    row("rmdir", &[path(0, Deleted).kept()]),
    row("setxattr", &[path(0, Changed)]),
    row("setxattrat", &[path_at(0, 1, Changed).unless(NOFOLLOW).empty_if(EMPTY)]).flags(2),
    row("stat", &[path(0, Examined)]),
    row("stat64", &[path(0, Examined)]),
    row("statfs", &[path(0, Examined)]),
    row("statfs64", &[path(0, Examined)]),
    row("statx", &[path_at(0, 1, Examined).unless(NOFOLLOW).empty_if(EMPTY)]).flags(2),
    // Both open it to read and write (mm/swapfile.c).
    row("swapoff", &[path(0, Swapped)]),
    row("swapon", &[path(0, Swapped)]),
    // What a symbolic link will lead to is any text, and nobody looks there.
    row("symlink", &[path(1, Created).kept()]),
    row("symlinkat", &[path_at(1, 2, Created).kept()]),
    row("truncate", &[path(0, Truncated)]),
    row("truncate64", &[path(0, Truncated)]),
    row("umount", &[path(0, Mounted)]),
    row("umount2", &[path(0, Mounted).unless(UMOUNT_NOFOLLOW)]).flags(1),
    row("unlink", &[path(0, Deleted).kept()]),
    row("unlinkat", &[path_at(0, 1, Deleted).kept()]),
    row("uselib", &[path(0, Executed)]),
    row("utime", &[path(0, Changed)]),
    // NULL means the descriptor unless that is AT_FDCWD (fs/utimes.c), with which the call fails.
    row("utimensat", &[path_at(0, 1, Changed).unless(NOFOLLOW).empty_if(EMPTY).or_null()]).flags(3),
    row("utimensat_time64", &[path_at(0, 1, Changed).unless(NOFOLLOW).empty_if(EMPTY).or_null()]).flags(3),
    row("utimes", &[path(0, Changed)]),
];

/// A call with paths, without flags that matter.
const fn row(name: &'static str, paths: &'static [PathOperand]) -> Row {
    let operands = Operands { paths, opens: false, descriptor: None, flags: Flags::None, in_memory: false };
    Row { name, only: None, operands }
}

/// A call that uses a descriptor as a file.
const fn descriptor(name: &'static str, argument: u8, right: Right) -> Row {
    let descriptor = DescriptorOperand { argument, right, when: &[], devices_only: false };
    let mut row = row(name, &[]);
    row.operands.descriptor = Some(descriptor);
    row
}

/// A path that begins at the working directory, and whose last link is followed.
const fn path(path: u8, role: Role) -> PathOperand {
    PathOperand {
        dir: None,
        path,
        role,
        last_link: LastLink::Followed,
        empty: Empty::Refused,
        null: false,
        when: None,
    }
}

/// A path that begins at a descriptor, and whose last link is followed.
const fn path_at(dir: u8, string: u8, role: Role) -> PathOperand {
    PathOperand { dir: Some(dir), ..path(string, role) }
}

impl PathOperand {
    const fn kept(self) -> PathOperand {
        PathOperand { last_link: LastLink::Kept, ..self }
    }

    const fn unless(self, bits: u64) -> PathOperand {
        PathOperand { last_link: LastLink::FollowedUnless(bits), ..self }
    }

    const fn if_asked(self, bits: u64) -> PathOperand {
        PathOperand { last_link: LastLink::FollowedIf(bits), ..self }
    }

    const fn as_opened(self) -> PathOperand {
        PathOperand { last_link: LastLink::AsOpened, ..self }
    }

    const fn empty(self) -> PathOperand {
        PathOperand { empty: Empty::Itself, ..self }
    }

    const fn empty_if(self, bits: u64) -> PathOperand {
        PathOperand { empty: Empty::ItselfIf(bits), ..self }
    }

    const fn or_null(self) -> PathOperand {
        PathOperand { null: true, ..self }
    }

    const fn when(self, condition: Condition) -> PathOperand {
        PathOperand { when: Some(condition), ..self }
    }
}

impl Row {
    const fn flags(mut self, argument: u8) -> Row {
        self.operands.flags = Flags::Argument(argument);
        self
    }

    const fn opens(mut self, flags: Flags) -> Row {
        self.operands.opens = true;
        self.operands.flags = flags;
        self
    }

    const fn in_memory(mut self) -> Row {
        self.operands.in_memory = true;
        self
    }

    const fn devices_only(mut self) -> Row {
        if let Some(descriptor) = &mut self.operands.descriptor {
            descriptor.devices_only = true;
        }
        self
    }

    const fn descriptor_when(mut self, when: &'static [Condition]) -> Row {
        if let Some(descriptor) = &mut self.operands.descriptor {
            descriptor.when = when;
        }
        self
    }

    const fn only(mut self, abis: &'static [Abi]) -> Row {
        self.only = Some(abis);
        self
    }
}
