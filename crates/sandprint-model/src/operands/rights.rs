//! From the flags of a call to rights, and to how its paths are understood.

use super::{Empty, LastLink, Role, operands};
use crate::{Abi, Right, Rights, Syscall};

/// The bits of `open`'s flags that are one number: for what it is opened.
const O_ACCMODE: u64 = 3;
pub(super) const O_WRONLY: u64 = 1;
const O_RDWR: u64 = 2;
pub(super) const O_CREAT: u64 = 0o100;
const O_EXCL: u64 = 0o200;
pub(super) const O_TRUNC: u64 = 0o1000;
const O_APPEND: u64 = 0o2000;
const O_PATH: u64 = 0o10_000_000;
/// `O_TMPFILE` without the `O_DIRECTORY` that is part of it.
const O_TMPFILE_ALONE: u64 = 0o20_000_000;

/// `O_DIRECTORY` and `O_NOFOLLOW`, which ARM has elsewhere (arch/arm64/include/uapi/asm/fcntl.h, and that of arm).
fn directory_and_nofollow(abi: Abi) -> (u64, u64) {
    match abi {
        Abi::Aarch64 | Abi::Arm => (0o40_000, 0o100_000),
        Abi::I386 | Abi::X32 | Abi::X86_64 => (0o200_000, 0o400_000),
    }
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A device of blocks.
    BlockDevice,
    /// A device of characters.
    CharacterDevice,
    /// A directory.
    Directory,
    /// A pipe, with a name or without.
    Fifo,
    /// A symbolic link.
    Link,
    /// A file with content.
    Regular,
    /// A socket.
    Socket,
}

impl FileKind {
    const MASK: u32 = 0o170_000;

    /// What a mode says (`S_IFMT`, inode(7)). None for no kind, as an epoll has it.
    pub fn from_mode(mode: u32) -> Option<FileKind> {
        Some(match mode & FileKind::MASK {
            0o010_000 => FileKind::Fifo,
            0o020_000 => FileKind::CharacterDevice,
            0o040_000 => FileKind::Directory,
            0o060_000 => FileKind::BlockDevice,
            0o100_000 => FileKind::Regular,
            0o120_000 => FileKind::Link,
            0o140_000 => FileKind::Socket,
            _ => return None,
        })
    }

    /// Whether it is a device.
    pub fn is_device(self) -> bool {
        matches!(self, FileKind::BlockDevice | FileKind::CharacterDevice)
    }
}

/// The rights that a call's use of a path is.
///
/// `nth` counts the call's paths from 0; a call that opens without a path has what it opens as number 0. `flags` are those
/// that [`Operands::flags`](super::Operands::flags) names. `kind` is what was found at the path, if that is known. `made` is
/// whether this very call made it (`FMODE_CREATED` in the kernel); where that is not known, as of a call that failed,
/// `O_CREAT` counts as making.
///
/// `O_TRUNC` is the right to truncate also where the call made the file: whoever runs that again finds the file there.
pub fn rights(call: Syscall, nth: usize, flags: u64, kind: Option<FileKind>, made: Option<bool>) -> Rights {
    let Some(role) = role(call, nth) else { return Rights::NONE };
    match role {
        Role::Opened => opened(call.abi, implied(call).unwrap_or(flags), kind, made),
        Role::Examined | Role::Changed | Role::Entered | Role::Mounted => Rights::from([Right::Metadata]),
        Role::NodeMade if is_socket(flags) => Rights::from([Right::Create, Right::Socket]),
        Role::Created | Role::NodeMade => Rights::from([Right::Create]),
        Role::Deleted => Rights::from([Right::Delete]),
        Role::Renamed => Rights::from([Right::Rename]),
        Role::Linked => Rights::from([Right::Link]),
        Role::LinkMade => Rights::from([Right::Create, Right::Link]),
        Role::Truncated => Rights::from([Right::Truncate]),
        Role::Executed => Rights::from([Right::Execute]),
        Role::Logged => Rights::from([Right::Append]),
        Role::Swapped => Rights::from([Right::Read, Right::Write]),
    }
}

/// Whether a symbolic link at the end of a path is followed, given the flags.
///
/// `RESOLVE_NO_SYMLINKS` of `openat2` is not in the flags: with it, a path that has a link anywhere is an error.
pub fn follows_last_link(call: Syscall, nth: usize, flags: u64) -> bool {
    let Some(path) = operands(call).and_then(|operands| operands.paths.get(nth)) else { return false };
    match path.last_link {
        LastLink::Followed => true,
        LastLink::Kept => false,
        LastLink::FollowedUnless(bits) => flags & bits == 0,
        LastLink::FollowedIf(bits) => flags & bits != 0,
        LastLink::AsOpened => {
            let flags = implied(call).unwrap_or(flags);
            let (_, nofollow) = directory_and_nofollow(call.abi);
            // Whoever asks for O_PATH asks for nothing else: the kernel clears these bits first (fs/open.c).
            let makes_anew = flags & O_PATH == 0 && flags & O_CREAT != 0 && flags & O_EXCL != 0;
            flags & nofollow == 0 && !makes_anew
        }
    }
}

/// Whether an empty path means the descriptor beside it, given the flags.
pub fn takes_empty(call: Syscall, nth: usize, flags: u64) -> bool {
    let path = operands(call).and_then(|operands| operands.paths.get(nth));
    path.is_some_and(|path| match path.empty {
        Empty::Refused => false,
        Empty::Itself => true,
        Empty::ItselfIf(bits) => flags & bits != 0,
    })
}

fn role(call: Syscall, nth: usize) -> Option<Role> {
    let operands = operands(call)?;
    let only_opens = operands.opens && operands.paths.is_empty() && nth == 0;
    operands.paths.get(nth).map(|path| path.role).or(only_opens.then_some(Role::Opened))
}

/// The flags of a call that has none to look at.
fn implied(call: Syscall) -> Option<u64> {
    match operands(call)?.flags {
        super::Flags::Implied(bits) => Some(bits),
        _ => None,
    }
}

fn is_socket(mode: u64) -> bool {
    u32::try_from(mode & u64::from(FileKind::MASK)).ok().and_then(FileKind::from_mode)
        == Some(FileKind::Socket)
}

/// What the flags of `open` ask for (`build_open_flags` and `do_open`, fs/open.c and fs/namei.c).
fn opened(abi: Abi, flags: u64, kind: Option<FileKind>, made: Option<bool>) -> Rights {
    if flags & O_PATH != 0 {
        return Rights::from([Right::Metadata]);
    }
    let (directory, _) = directory_and_nofollow(abi);
    // The path is a directory, in which a file without a name is made: that one is read and written.
    let is_nameless = flags & O_TMPFILE_ALONE != 0;
    let is_directory = kind == Some(FileKind::Directory) || flags & directory != 0;
    let read = if is_directory && !is_nameless { Right::List } else { Right::Read };
    let write = if flags & O_APPEND != 0 { Right::Append } else { Right::Write };
    let mut rights = match flags & O_ACCMODE {
        0 => Rights::from([read]),
        O_WRONLY => Rights::from([write]),
        O_RDWR => Rights::from([read, write]),
        // Neither is possible with what comes of it, only ioctl (open(2)).
        _ => Rights::from([Right::Metadata]),
    };
    if is_nameless {
        return rights.with(Right::Create);
    }
    if made.unwrap_or(flags & O_CREAT != 0) {
        rights = rights.with(Right::Create);
    }
    // Of nothing else than a regular file is anything cut off.
    if flags & O_TRUNC != 0 && kind.is_none_or(|kind| kind == FileKind::Regular) {
        rights = rights.with(Right::Truncate);
    }
    rights
}
