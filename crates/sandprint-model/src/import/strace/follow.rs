//! What follows from a call that succeeded for what its process holds open, and where it is.

use super::descriptor::{Descriptor, Open, WORKING_DIRECTORY};
use super::held::{AllHeld, Held, Position, Shares, Table};
use super::line;
use super::parts::Parts;
use super::reading::OpenedBy;
use super::sockets::{as_made, has, listed, made};
use super::value::value;
use crate::uses::{self, Place};
use crate::{Abi, ByteString, Doubts};

/// `O_CLOEXEC`, `SOCK_CLOEXEC` and their like; `EFD_CLOEXEC` too. Every ABI here has the same.
const CLOSE_ON_EXEC: u64 = 0o2_000_000;
/// `FD_CLOEXEC`.
const FD_CLOSE_ON_EXEC: u64 = 1;
/// `CLOSE_RANGE_CLOEXEC` (`linux/close_range.h`).
const CLOSE_RANGE_ON_EXEC: u64 = 4;
const F_DUPFD: u64 = 0;
const F_SETFD: u64 = 2;
const F_DUPFD_CLOEXEC: u64 = 1030;
const CLONE_FS: u64 = 0x200;
const CLONE_FILES: u64 = 0x400;
const CLONE_NEWNS: u64 = 0x2_0000;

/// Whether a call of that name is looked at.
pub(super) fn is_followed(name: &[u8]) -> bool {
    MOVES.contains(&name) || COPIES.contains(&name) || SOCKETS.contains(&name) || gives(name).is_some()
}

const MOVES: [&[u8]; 7] = [b"chdir", b"fchdir", b"chroot", b"pivot_root", b"getcwd", b"setns", b"unshare"];
const COPIES: [&[u8]; 7] = [b"close", b"close_range", b"dup", b"dup2", b"dup3", b"fcntl", b"fcntl64"];
const SOCKETS: [&[u8]; 6] = [b"accept", b"accept4", b"pipe", b"pipe2", b"socket", b"socketpair"];

/// What a call gives a descriptor of that opens no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// Something without a path.
    Nameless,
    /// Anything.
    Unknown,
}

fn gives(name: &[u8]) -> Option<Given> {
    const WITHOUT_PATH: [&[u8]; 14] = [
        b"epoll_create",
        b"epoll_create1",
        b"eventfd",
        b"eventfd2",
        b"fanotify_init",
        b"inotify_init",
        b"inotify_init1",
        b"io_uring_setup",
        b"memfd_create",
        b"memfd_secret",
        b"pidfd_open",
        b"signalfd",
        b"signalfd4",
        b"timerfd_create",
    ];
    const ANYTHING: [&[u8]; 9] = [
        b"bpf",
        b"fsmount",
        b"fsopen",
        b"landlock_create_ruleset",
        b"mq_open",
        b"perf_event_open",
        b"pidfd_getfd",
        b"seccomp",
        b"userfaultfd",
    ];
    if WITHOUT_PATH.contains(&name) {
        return Some(Given::Nameless);
    }
    ANYTHING.contains(&name).then_some(Given::Unknown)
}

/// A call that succeeded.
#[derive(Debug)]
pub(super) struct Done<'t> {
    pub abi: Abi,
    pub name: &'t [u8],
    pub parts: &'t Parts<'t>,
    pub result: &'t [u8],
    /// What it has opened, if it opens.
    pub opened: Option<OpenedBy>,
}

impl Done<'_> {
    /// Does to a process what the call did.
    pub(super) fn follow(self, all: &mut AllHeld, held: &mut Held) {
        if self.name == b"unshare" {
            let bits = |bits| has(self.abi, self.parts.items.first(), bits);
            all.unshare(held, Shares { table: bits(CLONE_FILES), position: bits(CLONE_FS | CLONE_NEWNS) });
        }
        let Some((table, position)) = all.of_mut(*held) else { return };
        self.learn(position);
        match self.opened {
            Some(OpenedBy { ref file, flags }) => {
                let file = file.clone().map(Open::File);
                let closes = flags.is_some_and(|flags| flags & CLOSE_ON_EXEC != 0);
                if let Some(descriptor) = self.result() {
                    table.set(descriptor.number, file, closes);
                }
            }
            None if MOVES.contains(&self.name) => self.go(table, position),
            None if SOCKETS.contains(&self.name) => self.connect(table),
            None if COPIES.contains(&self.name) => self.copy(table),
            None => {
                if let (Some(given), Some(descriptor)) = (gives(self.name), self.result()) {
                    // 0 is a result of commands that give none.
                    let open = match given {
                        Given::Nameless => Some(Open::Other),
                        Given::Unknown => descriptor.open.filter(|_| descriptor.number > 0),
                    };
                    table.set(descriptor.number, open, true);
                }
            }
        }
    }

    fn result(&self) -> Option<Descriptor> {
        Descriptor::read(self.abi, self.result)
    }

    fn descriptor(&self, index: usize) -> Option<Descriptor> {
        Descriptor::read(self.abi, self.parts.items.get(index)?)
    }

    fn value(&self, index: usize) -> Option<u64> {
        value(self.abi, self.parts.items.get(index)?)
    }

    /// With `-y` the working directory stands beside `AT_FDCWD`.
    fn learn(&self, position: &mut Position) {
        if let Some(Descriptor { number: WORKING_DIRECTORY, open: Some(Open::File(file)) }) =
            self.descriptor(0)
            && !position.is_elsewhere
        {
            position.directory = Some(file.place);
        }
    }

    fn go(&self, table: &Table, position: &mut Position) {
        match self.name {
            b"chdir" => {
                let base = position.directory.take();
                position.directory = self.path(0).and_then(|path| placed(path.as_bytes(), base));
            }
            b"fchdir" => {
                let file = self.descriptor(0).and_then(|descriptor| {
                    let said = descriptor.open.filter(|_| !position.is_elsewhere);
                    said.or_else(|| table.get(descriptor.number).cloned())
                });
                position.directory = match file {
                    Some(Open::File(file)) => Some(file.place),
                    _ => None,
                };
            }
            b"getcwd" => {
                let known = self.path(0).filter(|path| path.as_bytes().starts_with(b"/"));
                let place = |path| Place { path, doubts: Doubts::NONE };
                position.directory = known.map(place).or(position.directory.take());
            }
            b"chroot" | b"pivot_root" => self.leave(position),
            b"setns" if self.value(1).is_none_or(|kinds| kinds == 0 || kinds & CLONE_NEWNS != 0) => {
                self.leave(position);
            }
            _ => {}
        }
    }

    /// The process has another root from here on.
    #[expect(clippy::unused_self, reason = "it is what the call does")]
    fn leave(&self, position: &mut Position) {
        *position = Position { directory: None, is_elsewhere: true };
    }

    /// A path that is there as a whole.
    fn path(&self, index: usize) -> Option<ByteString> {
        let (path, rest) = line::c_string(line::unnamed(self.parts.items.get(index)?))?;
        (!rest.starts_with(b"...")).then_some(path)
    }

    fn copy(&self, table: &mut Table) {
        let Some(from) = self.descriptor(0) else { return };
        let set = |table: &mut Table, closes| {
            let open = table.get(from.number).cloned().or_else(|| from.open.clone());
            if let Some(to) = self.result() {
                table.set(to.number, open, closes);
            }
        };
        match self.name {
            b"close" => table.close(from.number),
            b"close_range" => {
                let last = self.value(1).map_or(i32::MAX, |last| i32::try_from(last).unwrap_or(i32::MAX));
                if has(self.abi, self.parts.items.get(2), CLOSE_RANGE_ON_EXEC) {
                    table.close_on_exec(from.number..=last, true);
                } else {
                    table.close_range(from.number..=last);
                }
            }
            // To itself it changes nothing.
            b"dup2" | b"dup3" if self.result().is_none_or(|to| to.number == from.number) => {}
            b"dup" | b"dup2" => set(table, false),
            b"dup3" => set(table, has(self.abi, self.parts.items.get(2), CLOSE_ON_EXEC)),
            b"fcntl" | b"fcntl64" => match self.value(1) {
                Some(F_DUPFD) => set(table, false),
                Some(F_DUPFD_CLOEXEC) => set(table, true),
                Some(F_SETFD) => {
                    let closes = has(self.abi, self.parts.items.get(2), FD_CLOSE_ON_EXEC);
                    table.close_on_exec(from.number..=from.number, closes);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn connect(&self, table: &mut Table) {
        let flags = |index: usize| has(self.abi, self.parts.items.get(index), CLOSE_ON_EXEC);
        let list =
            |index: usize| self.parts.items.get(index).map(|text| listed(self.abi, text)).unwrap_or_default();
        match self.name {
            b"socket" | b"socketpair" => {
                let socket = made(self.abi, self.parts).map(as_made).map(Open::Socket);
                let made = if self.name == b"socket" { self.result().into_iter().collect() } else { list(3) };
                for descriptor in made {
                    table.set(descriptor.number, descriptor.open.or(socket.clone()), flags(1));
                }
            }
            b"accept" | b"accept4" => {
                let listening = self.descriptor(0);
                let open = listening.and_then(|from| table.get(from.number).cloned().or(from.open));
                if let Some(to) = self.result() {
                    table.set(to.number, to.open.or(open), self.name == b"accept4" && flags(3));
                }
            }
            _ => {
                for descriptor in list(0) {
                    table.set(descriptor.number, Some(Open::Other), flags(1));
                }
            }
        }
    }
}

/// Where a path leads that begins there.
fn placed(path: &[u8], base: Option<Place>) -> Option<Place> {
    let base = if path.starts_with(b"/") { None } else { Some(base?) };
    Some(uses::placed(base.as_ref(), path))
}
