//! Which arguments of a call name files, and what the call does to them: rights.
//!
//! One table for all recorders and importers. It says what the kernel does, not what a program wanted: its sources are the
//! manual pages (section 2) and, where these say too little, the kernel's own file, which a row then names.
//!
//! Not in it are addresses of sockets, names of message queues and of shared memory, which are no paths; and paths that lie
//! in memory behind an attribute: of `bpf` (`BPF_OBJ_PIN`, `BPF_OBJ_GET`), of `perf_event_open` (a uprobe's), of
//! `io_uring`. What is done through a descriptor that was opened for it (`read`, `write`, `getdents`) is no new right.

use crate::{Abi, Right, Rights, Syscall};

mod rights;
mod table;

pub use rights::{FileKind, follows_last_link, rights, takes_empty};

/// What a call does with files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operands {
    /// Its paths, in the order of its arguments; at most two.
    pub paths: &'static [PathOperand],
    /// Whether it gives a descriptor of what its first path names. `open_by_handle_at` does so without a path.
    pub opens: bool,
    /// The descriptor that is itself used as a file. No call has one beside paths.
    pub descriptor: Option<DescriptorOperand>,
    /// What decides over rights, and over how a path is understood.
    pub flags: Flags,
    /// Whether the arguments lie in memory, as words of 32 bits one after the other, and only their address is in
    /// argument 0: `mmap` of i386.
    pub in_memory: bool,
}

/// A path in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathOperand {
    /// The argument with the descriptor of the directory where a relative path begins, or `AT_FDCWD`. None: it begins at
    /// the working directory.
    pub dir: Option<u8>,
    /// The argument with the address of the string.
    pub path: u8,
    /// What is done to what it names.
    pub role: Role,
    /// Whether a symbolic link at its end is followed.
    pub last_link: LastLink,
    /// Whether it may be the empty string, and then means the descriptor in `dir` itself.
    ///
    /// Where a flag allows that, kernels since 6.11 take NULL for the empty string too (`getname_maybe_null`,
    /// fs/namei.c): first in `newfstatat` and `statx`, then in other calls.
    pub empty: Empty,
    /// Whether NULL alone means the descriptor in `dir`: `utimensat`, `futimesat`, `fanotify_mark`. In any other call, NULL
    /// names no file: `acct`, `mount` and `quotactl` do without one, and the others fail.
    pub null: bool,
    /// It is a path only in calls that meet this.
    pub when: Option<Condition>,
}

/// What is done to what a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It is opened: the flags say for what.
    Opened,
    /// It is looked up, or what is known of it is read.
    Examined,
    /// What is known of it is changed: mode, owner, times, attributes.
    Changed,
    /// It becomes the working directory or the root.
    Entered,
    /// It takes part in a change of mounts, as the one mounted or as the place of it.
    Mounted,
    /// It is made: a directory, or a symbolic link.
    Created,
    /// It is made, and the flags are its mode, which says of what kind it is.
    NodeMade,
    /// Its name is taken away.
    Deleted,
    /// It is an end of a renaming.
    Renamed,
    /// It gets another name.
    Linked,
    /// It is that other name.
    LinkMade,
    /// It is made as long as is asked.
    Truncated,
    /// It is executed, or loaded as a library is by `uselib`.
    Executed,
    /// The kernel itself writes at its end from now on.
    Logged,
    /// The kernel itself opens it to read and write, for swapping or to stop that.
    Swapped,
}

/// A descriptor that a call uses as a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorOperand {
    /// The argument with the descriptor.
    pub argument: u8,
    /// What is done to its file.
    pub right: Right,
    /// It is so in calls that meet all of these.
    pub when: &'static [Condition],
    /// Whether the right is one to devices only, of characters or of blocks.
    pub devices_only: bool,
}

/// What an argument must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Which one.
    pub argument: u8,
    /// The bits of it that count, all in the lower half.
    pub mask: u64,
    /// What these bits may be.
    pub values: &'static [u64],
}

/// Where the flags of a call are: those of `open`, of `AT_*`, a command, the mode of `mknod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flags {
    /// It has none that matter here.
    None,
    /// In that argument.
    Argument(u8),
    /// In memory: that argument has the address of a `struct open_how`, whose first 64 bits they are; its size is in the
    /// next argument. The third 64 bits are `resolve`, by which a path may begin at the directory even when it is absolute
    /// (`RESOLVE_IN_ROOT`).
    OpenHow(u8),
    /// The call has no flags and acts as if it had these: `creat`.
    Implied(u64),
}

/// Whether a symbolic link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLink {
    /// Always.
    Followed,
    /// Never: the link itself is meant.
    Kept,
    /// Unless the flags have one of these bits.
    FollowedUnless(u64),
    /// If the flags have one of these bits.
    FollowedIf(u64),
    /// Unless `O_NOFOLLOW` is among the flags, or `O_CREAT` together with `O_EXCL`.
    AsOpened,
}

/// Whether an empty path means the descriptor itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// Never: it is an error.
    Refused,
    /// Always.
    Itself,
    /// If the flags have one of these bits.
    ItselfIf(u64),
}

/// What a call does with files. None for one that names no file, and uses none but as it was opened for.
pub fn operands(call: Syscall) -> Option<&'static Operands> {
    let name = call.name()?;
    let first = table::ROWS.partition_point(|row| row.name < name);
    let mut rows = table::ROWS.get(first..)?.iter().take_while(|row| row.name == name);
    rows.find(|row| row.is_of(call.abi)).map(|row| &row.operands)
}

impl Operands {
    /// The descriptor whose use is a fact. That one is only looked at says nothing: it was opened before.
    pub fn used_descriptor(&self) -> Option<DescriptorOperand> {
        self.descriptor.filter(|descriptor| descriptor.right != Right::Metadata)
    }

    /// Whether it is a fact that a path is empty, and so means a descriptor. Where that is only looked at, or gone to,
    /// it is none.
    pub fn uses_empty(&self) -> bool {
        let is_looked_at = |role| matches!(role, Role::Examined | Role::Entered);
        let takes_empty = |path: &PathOperand| path.empty != Empty::Refused || path.null;
        self.paths.iter().any(|path| !is_looked_at(path.role) && takes_empty(path))
    }
}

impl Flags {
    /// The flags of a call with these arguments. None where they lie in memory.
    pub fn value(self, args: &[u64; 6]) -> Option<u64> {
        match self {
            Flags::None => Some(0),
            Flags::Argument(index) => args.get(usize::from(index)).copied(),
            Flags::OpenHow(_) => None,
            Flags::Implied(bits) => Some(bits),
        }
    }
}

impl PathOperand {
    /// Whether it is a path in a call with these arguments.
    pub fn is_path(&self, args: &[u64; 6]) -> bool {
        self.when.is_none_or(|when| when.holds(args))
    }
}

impl DescriptorOperand {
    /// The rights that a call with these arguments uses, to a file of that kind, if it is known.
    pub fn rights(&self, args: &[u64; 6], kind: Option<FileKind>) -> Rights {
        let fits = !self.devices_only || kind.is_none_or(FileKind::is_device);
        if fits && self.when.iter().all(|when| when.holds(args)) {
            Rights::from([self.right])
        } else {
            Rights::NONE
        }
    }
}

impl Condition {
    /// Whether these arguments meet it.
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        args.get(usize::from(self.argument)).is_some_and(|value| self.values.contains(&(value & self.mask)))
    }
}

/// A call, on the ABIs where its operands are the same.
#[derive(Debug)]
struct Row {
    name: &'static str,
    /// None: all that no other row of that name has.
    only: Option<&'static [Abi]>,
    operands: Operands,
}

impl Row {
    fn is_of(&self, abi: Abi) -> bool {
        self.only.is_none_or(|abis| abis.contains(&abi))
    }
}

#[cfg(test)]
mod tests;
