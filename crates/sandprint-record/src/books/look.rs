//! What a call has to do with files and sockets, looked at from outside while its task waits.
//!
//! At its end, what it opened is the kernel's own word, and its paths are where the kernel has just read them. Where
//! only its beginning is seen, all of it is what was tried.

mod files;
mod names;
mod sockets;

use sandprint_model::errno::Errno;
use sandprint_model::multiplexed::SubCall;
use sandprint_model::names::{Carried, carried};
use sandprint_model::operands::{Operands, operands};
use sandprint_model::uses::Lead;
use sandprint_model::{
    AddressOperand, ByteString, FileSeen, Name, Outcomes, Socket, Syscall, address_operand,
};

use super::memory::Memory;
use super::{Caller, asked, places};
use crate::hosts;
use crate::links::Root;

pub(crate) use files::executed;

const EFAULT: Errno = Errno(14);
const O_CREAT: u64 = 0o100;
/// `CLONE_ARGS_SIZE_VER0` (linux/sched.h).
const LEAST_CLONE_ARGS: u64 = 64;

/// What there is to be looked at in a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    operands: Option<&'static Operands>,
    address: Option<AddressOperand>,
    clones: bool,
    in_memory: Option<InMemory>,
    /// Bytes that may tell names.
    carried: Option<Carried>,
}

/// Arguments that lie in memory, as words of 32 bits: a call of i386, which is taken for the one that has them in registers.
#[derive(Debug, Clone, Copy)]
enum InMemory {
    /// All of them: of mmap mmap2.
    Map,
    /// Those of a call of sockets, which the first argument names.
    Socket,
}

impl Wanted {
    /// None for a call that has to do with no file and no socket, and has no flags in memory.
    pub(crate) fn of(call: Syscall) -> Option<Wanted> {
        let operands = operands(call);
        let in_memory = match call.name()? {
            "socketcall" => Some(InMemory::Socket),
            _ => operands.filter(|operands| operands.in_memory).map(|_| InMemory::Map),
        };
        let wanted = Wanted {
            operands: operands.filter(|operands| !operands.in_memory && is_use(operands)),
            address: address_operand(call),
            clones: call.name() == Some("clone3"),
            in_memory,
            carried: carried(call),
        };
        (wanted.is_any_but_names() || wanted.carried.is_some()).then_some(wanted)
    }

    fn is_any_but_names(&self) -> bool {
        let is_use = self.operands.is_some() || self.address.is_some();
        is_use || self.clones || self.in_memory.is_some()
    }

    /// What of it there is to be looked at where received and sent bytes are as these flags say.
    pub(super) fn as_far_as(self, asks_names: bool, has_streams: bool) -> Option<Wanted> {
        let carried = self.carried.filter(|carried| if carried.sends { has_streams } else { asks_names });
        let wanted = Wanted { carried, ..self };
        (wanted.is_any_but_names() || carried.is_some()).then_some(wanted)
    }

    /// The time when the call begins, if it may make a file.
    pub(crate) fn begin(&self, args: &[u64; 6]) -> Option<(i64, i64)> {
        let operands = self.operands.filter(|operands| operands.opens)?;
        // Where the flags are in memory they may be any.
        let may_make = operands.flags.value(args).is_none_or(|flags| flags & O_CREAT != 0);
        // The clock that files are stamped with.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        may_make.then_some((now.tv_sec, now.tv_nsec))
    }
}

fn is_use(operands: &Operands) -> bool {
    !operands.paths.is_empty() || operands.used_descriptor().is_some() || operands.opens
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<(ByteString, FileSeen)>,
    pub(crate) sockets: Vec<(Socket, Outcomes)>,
    /// Names of addresses.
    pub(crate) names: Vec<Name>,
    /// Whose `/etc/hosts` was read: the root, and the process.
    pub(crate) hosts: Option<(Root, u32)>,
    /// Paths that may lead through symbolic links, and whose root they are seen from.
    pub(crate) leads: Vec<(Root, u32, Lead)>,
    /// The flags of clone3(2), which lie in memory.
    pub(crate) flags: Option<u64>,
    /// Uses of files that could not be looked at.
    pub(crate) files_lost: u64,
    /// The same of sockets.
    pub(crate) sockets_lost: u64,
    /// The same of what tells names.
    pub(crate) names_lost: u64,
    /// The same of flags.
    pub(crate) flags_lost: u64,
}

impl Found {
    fn lead(&mut self, who: Caller, lead: Lead) {
        if let Some(root) = places::identity_of_root(who.tid) {
            self.leads.push((root, who.tgid, lead));
        }
    }
}

/// A call of a task that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) call: Syscall,
    pub(crate) args: [u64; 6],
    pub(crate) who: Caller,
    /// What it gave to its program; none where that is not seen.
    pub(crate) result: Option<i64>,
    /// When it began: [`Wanted::begin`].
    pub(crate) began: Option<(i64, i64)>,
}

impl Look {
    /// Looks.
    pub(crate) fn at(&self, wanted: Wanted) -> Found {
        let mut found = Found::default();
        let failed = self.result.is_some_and(|result| result < 0);
        if failed && self.error().is_none() {
            // It is made again.
            return found;
        }
        let memory = Memory::of(self.who.tid);
        let memory = memory.as_ref();
        if let Some(kind) = wanted.in_memory {
            return self.in_memory(kind, memory);
        }
        if let Some(operands) = wanted.operands {
            self.files(operands, memory, &mut found);
            if found.files.iter().any(|(path, seen)| hosts::is_read(path.as_bytes(), seen)) {
                found.hosts = places::identity_of_root(self.who.tid).map(|root| (root, self.who.tgid));
            }
        }
        if let Some(operand) = wanted.address {
            self.sockets(operand, memory, &mut found);
        }
        if let Some(carried) = wanted.carried {
            self.names(carried, memory, &mut found);
        }
        if wanted.clones {
            let [address, size, ..] = self.args;
            found.flags = word(memory, address);
            // The kernel does not read what is too short.
            let is_read = size >= LEAST_CLONE_ARGS && self.error() != Some(EFAULT);
            found.flags_lost += u64::from(is_read && found.flags.is_none());
        }
        found
    }

    /// Looks at the call that it stands for, whose arguments are in memory.
    fn in_memory(&self, kind: InMemory, memory: Option<&Memory>) -> Found {
        let [first, second, ..] = self.args;
        let (name, count, at) = match (kind, socketcall(first)) {
            (InMemory::Map, _) => ("mmap2", 6, first),
            (InMemory::Socket, Some((name, count))) => (name, count, second),
            (InMemory::Socket, None) => return Found::default(),
        };
        let Some(args) = memory.and_then(|memory| words(memory, at, count)) else {
            let lost = u64::from(self.error() != Some(EFAULT));
            return match kind {
                InMemory::Map => Found { files_lost: lost, ..Found::default() },
                InMemory::Socket => Found { sockets_lost: lost, ..Found::default() },
            };
        };
        let call = Syscall::from_name(self.call.abi, name);
        let wanted = call.and_then(|call| Some((call, Wanted::of(call)?)));
        wanted.map_or_else(Found::default, |(call, wanted)| Look { call, args, ..*self }.at(wanted))
    }

    fn error(&self) -> Option<Errno> {
        Errno::of_result(self.result?)
    }

    fn succeeded(&self) -> bool {
        self.result.is_some_and(|result| result >= 0)
    }

    fn argument(&self, index: u8) -> u64 {
        self.args.get(usize::from(index)).copied().unwrap_or_default()
    }

    fn as_known(&self, seen: FileSeen) -> FileSeen {
        if self.result.is_some() { seen } else { seen.only_tried() }
    }
}

fn word(memory: Option<&Memory>, address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    memory?.read(address, &mut bytes).then(|| u64::from_ne_bytes(bytes))
}

/// So many arguments of 32 bits that lie there.
fn words(memory: &Memory, address: u64, count: usize) -> Option<[u64; 6]> {
    let mut bytes = [0; 24];
    let words = bytes.get_mut(..count * 4)?;
    if !memory.read(address, words) {
        return None;
    }
    let mut args = [0; 6];
    for (slot, word) in args.iter_mut().zip(words.as_chunks::<4>().0) {
        *slot = u32::from_ne_bytes(*word).into();
    }
    Some(args)
}

/// The lower half of a register, which is all that the kernel looks at where an argument is an int.
fn low(register: u64) -> u32 {
    asked::low(register)
}

/// The call that `socketcall` is with this first argument (linux/net.h), and how many arguments it has; none for those of
/// which nothing matters.
fn socketcall(number: u64) -> Option<(&'static str, usize)> {
    let name = SubCall::of("socketcall", number)?.name;
    let count = match name {
        "listen" => 2,
        "bind" | "connect" | "sendmsg" | "socket" => 3,
        "sendmmsg" => 4,
        "sendto" => 6,
        _ => return None,
    };
    Some((name, count))
}

#[cfg(test)]
mod tests {
    use sandprint_model::{Abi, Right, Rights};

    use super::*;

    fn call(abi: Abi, name: &str) -> Syscall {
        Syscall::from_name(abi, name).unwrap()
    }

    #[test]
    fn little_is_looked_at() {
        let is_wanted = |abi, name| Wanted::of(call(abi, name)).is_some();
        for name in [
            "openat",
            "execve",
            "connect",
            "mmap",
            "ioctl",
            "clone3",
            "rename",
            "open_by_handle_at",
            "read",
            "recvfrom",
        ] {
            assert!(is_wanted(Abi::X86_64, name), "{name}");
        }
        for name in ["fstat", "close", "futex"] {
            assert!(!is_wanted(Abi::X86_64, name), "{name}");
        }
        assert!(is_wanted(Abi::I386, "socketcall") && is_wanted(Abi::I386, "mmap"));
        assert!(Wanted::of(Syscall { abi: Abi::X86_64, nr: u32::MAX }).is_none());
    }

    /// The memory of this very process stands for that of a task that waits.
    fn here(name: &str, args: [u64; 6], result: Option<i64>) -> Found {
        let tid = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
        let call = call(Abi::X86_64, name);
        let who = Caller { tgid: std::process::id(), tid };
        let look = Look { call, args, who, result, began: None };
        look.at(Wanted::of(call).unwrap())
    }

    #[test]
    fn what_failed_what_succeeded_and_what_was_only_tried_are_told_apart() {
        let read = Rights::from([Right::Read]);
        let path = c"/nowhere/./x";
        let args = [0xffff_ff9c, path.as_ptr() as u64, 0, 0, 0, 0];
        let of = |result| match &here("openat", args, result).files[..] {
            [(path, seen)] => {
                assert_eq!(*path, ByteString::from("/nowhere/x"));
                seen.clone()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(of(Some(-2)).failed, [(Errno(2), read)].into());
        assert_eq!((of(None).tried, of(None).succeeded), (read, Rights::NONE));
        // It is made again.
        assert!(here("openat", args, Some(-512)).files.is_empty());
        // Nothing can be read there.
        let lost = |result| here("openat", [0, 8, 0, 0, 0, 0], result).files_lost;
        assert_eq!((lost(Some(-2)), lost(None), lost(Some(-14))), (1, 1, 0));
    }

    #[test]
    fn addresses_are_read_with_their_socket() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let descriptor = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&socket)).unwrap();
        let address: [u8; 16] = [2, 0, 0, 53, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let message = [address.as_ptr() as u64, 16, 0, 0, 0, 0, 0, 0];
        let at = address.as_ptr() as u64;
        for (name, args) in [
            ("connect", [descriptor, at, 16, 0, 0, 0]),
            ("sendto", [descriptor, 0, 0, 0, at, 16]),
            ("sendmsg", [descriptor, message.as_ptr() as u64, 0, 0, 0, 0]),
            ("sendmmsg", [descriptor, message.as_ptr() as u64, 1, 0, 0, 0]),
        ] {
            for (result, expected) in
                [(Some(0), Outcomes::SUCCEEDED), (Some(-111), Outcomes::FAILED), (None, Outcomes::default())]
            {
                let found = here(name, args, result);
                let [(socket, outcomes)] = &found.sockets[..] else { panic!("{name}: {found:?}") };
                let text = (socket.family.to_string(), socket.kind.to_string(), socket.address.to_string());
                assert_eq!(text.0 + " " + &text.1 + " " + &text.2, "AF_INET SOCK_DGRAM 127.0.0.1:53");
                assert_eq!(*outcomes, expected, "{name}");
            }
        }
        // To the peer that it has.
        assert!(here("sendto", [descriptor, 0, 0, 0, 0, 0], Some(0)).sockets.is_empty());
    }
}
