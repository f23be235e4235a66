//! Tells the programs which arguments of calls are paths, descriptors and addresses.

use std::sync::atomic::Ordering;

use sandprint_model::names::{Carried, Layout, carried};
use sandprint_model::operands::{Flags, Operands, PathOperand, Role, operands};
use sandprint_model::{AddressOperand, Arch, Operation, Right, Syscall, address_operand};

use super::decode::syscall;
use super::error::LoadError;
use super::maps::Maps;
use super::selected::{ABIS, SELECTED};

/// What stands for no argument, and for the working directory (`SP_NO_ARGUMENT`).
const NONE: u8 = 7;
// Where a word says what (`SP_OPERANDS_*`).
const OPENS: u64 = 1 << 27;
const IN_MEMORY: u64 = 1 << 28;
const DEVICES: u64 = 1 << 29;
const MAPS: u64 = 1 << 30;
const MOVES: u64 = 1 << 31;
const CHANGES_ROOT: u64 = 1 << 32;
const EXECUTES: u64 = 1 << 33;
const SKIPS_EMPTY: u64 = 1 << 34;
const IS_SOCKET: u64 = 1 << 35;
const MANY: u64 = 1 << 36;
const GIVES: u64 = 1 << 37;
const GIVES_TWO: u64 = 1 << 38;
const GROWS: u64 = 1 << 39;
const CLONES: u64 = 1 << 40;
const GIVES_LATE: u64 = 1 << 46;
const GIVES_COPY: u64 = 1 << 47;
const USES: u64 = 1 << 41;
const WORDS: u64 = 1 << 42;
const SOCKETCALL: u64 = 1 << 43;
const RECEIVES: u64 = 1 << 48;
const SENDS: u64 = 1 << 49;
const VECTOR: u64 = 1 << 50;
const MESSAGE: u64 = 1 << 51;
const FROM: u64 = 1 << 52;
const CONNECTS: u64 = 1 << 53;

/// Fills the map `operands` (`bpf/operands.bpf.h`), before anything is attached.
pub(super) fn fill(maps: &Maps, arch: Arch) -> Result<(), LoadError> {
    let words = maps.array("operands")?;
    let numbers = (0..ABIS).flat_map(|abi| (0..SELECTED).map(move |nr| (abi, nr)));
    for (word, (abi, nr)) in words.iter().zip(numbers) {
        word.store(describe(syscall(abi, nr, arch)), Ordering::SeqCst);
    }
    Ok(())
}

/// The argument whose value goes with every use of the call: that with the flags, or else the one that decides whether a
/// path is one.
pub(crate) fn telling_argument(of: &Operands) -> Option<u8> {
    match of.flags {
        Flags::Argument(index) | Flags::OpenHow(index) => Some(index),
        Flags::None | Flags::Implied(_) => {
            let of_paths = of.paths.iter().find_map(|path| path.when);
            let of_descriptor = of.descriptor.and_then(|descriptor| descriptor.when.first().copied());
            of_paths.or(of_descriptor).map(|when| when.argument)
        }
    }
}

/// The word of a call in the map; 0 for one that has to do with no file and no socket.
fn describe(call: Syscall) -> u64 {
    let files = operands(call);
    // What lies in memory is looked at as in the same call that has it in registers.
    let in_memory = if files.is_some_and(|operands| operands.in_memory) {
        WORDS
    } else if call.name() == Some("socketcall") {
        SOCKETCALL
    } else {
        0
    };
    if in_memory != 0 {
        return USES | in_memory | nothing_of_files() | nothing_of_sockets() | beside_uses(call);
    }
    let (files, sockets) = (files.map_or(0, |operands| of_files(call, operands)), address_operand(call));
    let uses = match (files, sockets) {
        (0, None) => 0,
        (files, None) => USES | files | nothing_of_sockets(),
        (_, Some(operand)) => USES | nothing_of_files() | of_sockets(operand),
    };
    uses | beside_uses(call) | names(call)
}

/// What of a call may tell names.
fn names(call: Syscall) -> u64 {
    let Some(Carried { sends, layout, sender }) = carried(call) else { return 0 };
    let layout = match layout {
        Layout::Buffer => 0,
        Layout::Parts => VECTOR,
        Layout::Message => MESSAGE,
        Layout::Messages => MESSAGE | MANY,
    };
    let sender = if sender.is_some() { FROM } else { 0 };
    layout | sender | if sends { SENDS } else { RECEIVES }
}

/// What is looked at beside files and sockets: descriptors that are given, memory, and flags in memory.
fn beside_uses(call: Syscall) -> u64 {
    match call.name() {
        Some(
            "open"
            | "openat"
            | "openat2"
            | "creat"
            | "open_by_handle_at"
            | "open_tree"
            | "socket"
            | "accept"
            | "accept4"
            | "dup"
            | "dup2"
            | "dup3"
            | "epoll_create"
            | "epoll_create1"
            | "eventfd"
            | "eventfd2"
            | "signalfd"
            | "signalfd4"
            | "timerfd_create"
            | "memfd_create"
            | "memfd_secret"
            | "inotify_init"
            | "inotify_init1"
            | "fanotify_init"
            | "pidfd_open"
            | "pidfd_getfd"
            | "io_uring_setup"
            | "mq_open"
            | "userfaultfd"
            | "perf_event_open"
            | "landlock_create_ruleset"
            | "fsopen"
            | "fsmount"
            | "fspick",
        ) => GIVES,
        Some("pipe" | "pipe2") => GIVES_TWO,
        Some("socketpair") => GIVES_TWO | GIVES_LATE,
        Some("fcntl" | "fcntl64") => GIVES_COPY,
        Some("mmap" | "mmap2" | "mremap" | "brk" | "shmat") => GROWS,
        Some("clone3") => CLONES,
        _ => 0,
    }
}

fn at(place: u32, argument: Option<u8>) -> u64 {
    u64::from(argument.unwrap_or(NONE)) << place
}

fn nothing_of_files() -> u64 {
    at(0, None) | at(3, None) | at(6, None) | at(9, None) | at(12, None) | at(15, None)
}

fn nothing_of_sockets() -> u64 {
    at(18, None) | at(21, None) | at(24, None)
}

fn of_files(call: Syscall, operands: &Operands) -> u64 {
    let descriptor = operands.used_descriptor();
    if operands.paths.is_empty() && descriptor.is_none() && !operands.opens {
        return 0;
    }
    let path = |nth: usize| operands.paths.get(nth);
    let places = |path: Option<&PathOperand>, (dir, string): (u32, u32)| {
        at(dir, path.and_then(|path| path.dir)) | at(string, path.map(|path| path.path))
    };
    let has_role = |role| operands.paths.iter().any(|path| path.role == role);
    let bit = |is_so: bool, bit: u64| if is_so { bit } else { 0 };
    let is_root = matches!(call.name(), Some("chroot" | "pivot_root"));
    places(path(0), (0, 3))
        | places(path(1), (6, 9))
        | at(12, telling_argument(operands))
        | at(15, descriptor.map(|descriptor| descriptor.argument))
        | bit(operands.opens, OPENS)
        | bit(matches!(operands.flags, Flags::OpenHow(_)), IN_MEMORY)
        | bit(descriptor.is_some_and(|descriptor| descriptor.devices_only), DEVICES)
        | bit(descriptor.is_some_and(|descriptor| descriptor.right == Right::MapExec), MAPS)
        | bit(has_role(Role::Entered) && !is_root, MOVES)
        | bit(is_root, CHANGES_ROOT)
        | bit(has_role(Role::Executed), EXECUTES)
        | bit(!operands.uses_empty(), SKIPS_EMPTY)
}

fn of_sockets(operand: AddressOperand) -> u64 {
    let places = |socket, address, length| at(18, socket) | at(21, address) | at(24, length);
    IS_SOCKET
        | match operand {
            AddressOperand::Made { .. } => places(None, None, None),
            AddressOperand::NoAddress { socket, .. } => places(Some(socket), None, None),
            AddressOperand::Direct { socket, address, length, operation } => {
                let connects = if operation == Operation::Connect { CONNECTS } else { 0 };
                connects | places(Some(socket), Some(address), Some(length))
            }
            AddressOperand::Message { socket, message, .. } => places(Some(socket), Some(message), None),
            AddressOperand::ManyMessages { socket, messages, .. } => {
                MANY | places(Some(socket), Some(messages), None)
            }
        }
}

#[cfg(test)]
mod tests {
    use sandprint_model::Abi;

    use super::*;

    #[test]
    fn a_word_says_where_everything_is() {
        let of = |name| describe(Syscall::from_name(Abi::X86_64, name).unwrap());
        let field = |word: u64, place: u32| word >> place & 7;
        assert_eq!((of("getppid"), of("read"), of("recvmmsg")), (0, RECEIVES, RECEIVES | MESSAGE | MANY));
        assert_eq!(of("recvfrom"), RECEIVES | FROM);
        assert_eq!((of("writev"), of("sendto") & (SENDS | USES)), (SENDS | VECTOR, SENDS | USES));
        let openat = of("openat");
        assert_eq!([0, 3, 6, 9, 12, 15].map(|place| field(openat, place)), [0, 1, 7, 7, 2, 7]);
        assert_eq!(openat & (OPENS | SKIPS_EMPTY | IS_SOCKET), OPENS | SKIPS_EMPTY);
        let rename = of("renameat2");
        assert_eq!([0, 3, 6, 9].map(|place| field(rename, place)), [0, 1, 2, 3]);
        assert_eq!(of("openat2") & IN_MEMORY, IN_MEMORY);
        assert_eq!((field(of("mmap"), 15), of("mmap") & MAPS), (4, MAPS));
        assert_eq!(of("ioctl") & DEVICES, DEVICES);
        assert_eq!(of("chdir") & (MOVES | CHANGES_ROOT), MOVES);
        assert_eq!(of("chroot") & (MOVES | CHANGES_ROOT), CHANGES_ROOT);
        assert_eq!(of("execve") & EXECUTES, EXECUTES);
        assert_eq!(of("fstat"), 0);
        let connect = of("connect");
        assert_eq!([18, 21, 24].map(|place| field(connect, place)), [0, 1, 2]);
        assert_eq!(connect & (IS_SOCKET | CONNECTS), IS_SOCKET | CONNECTS);
        assert_eq!((of("bind") | of("sendto")) & CONNECTS, 0);
        assert_eq!(of("sendmmsg") & MANY, MANY);
        let of_i386 = |name| describe(Syscall::from_name(Abi::I386, name).unwrap());
        assert_eq!((of_i386("mmap") & WORDS, of_i386("socketcall") & SOCKETCALL), (WORDS, SOCKETCALL));
        let nothing = [0, 3, 6, 9, 12, 15, 18, 21, 24].map(|place| field(of_i386("socketcall"), place));
        assert_eq!(nothing, [7; 9]);
    }

    /// The programs take calls of i386 whose arguments lie in memory for these (`read_words`, bpf/uses.bpf.h).
    #[test]
    fn calls_that_are_taken_for_others_have_those_numbers() {
        let numbers = ["socket", "bind", "connect", "listen", "sendto", "sendmsg", "sendmmsg", "mmap2"]
            .map(|name| Syscall::from_name(Abi::I386, name).unwrap().nr);
        assert_eq!(numbers, [359, 361, 362, 363, 369, 370, 345, 192]);
    }

    /// One argument is told of each call, so no call may need two.
    #[test]
    fn no_call_is_decided_by_two_arguments() {
        for call in Abi::ALL.into_iter().flat_map(Syscall::all) {
            let Some(operands) = operands(call) else { continue };
            let Some(told) = telling_argument(operands) else { continue };
            let of_paths = operands.paths.iter().filter_map(|path| path.when);
            let mut needed = of_paths.map(|when| when.argument);
            assert!(needed.all(|needed| needed == told), "{call}");
        }
    }

    #[test]
    fn every_call_with_operands_has_its_place() {
        for call in Abi::ALL.into_iter().flat_map(Syscall::all) {
            assert!(describe(call) == 0 || call.nr < SELECTED, "{call}");
        }
    }
}
