//! What one call of an strace log says on an ABI: its arguments, what it did to files and with sockets.

use super::descriptor::OpenFile;
use super::held::{Position, Table};
use super::line;
use super::parts::Parts;
use super::value::value;
use crate::arguments::{self, Selected, Selecting};
use crate::errno::Errno;
use crate::operands::{self, Operands};
use crate::uses::Uses;
use crate::{AddressOperand, Syscall, address_operand};

/// "Bad address": the kernel could not read it either.
pub(super) const EFAULT: Errno = Errno(14);
/// "Bad file descriptor".
pub(super) const EBADF: Errno = Errno(9);

/// What is to be read of a call.
#[derive(Debug)]
pub(super) struct Meaning {
    pub call: Syscall,
    pub selecting: Option<Selecting>,
    pub(super) operands: Option<&'static Operands>,
    pub(super) address: Option<AddressOperand>,
    /// How many arguments it has, and which of them strace prints together with the one before.
    arguments: usize,
    halves: Vec<usize>,
    is_clone: bool,
    is_clone3: bool,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome<'t> {
    /// Well, with this result.
    Succeeded(&'t [u8]),
    /// Badly.
    Failed(Errno),
    /// The log does not say, the kernel makes it again, or strace made the result up.
    Unknown,
}

/// A call that has ended, of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended<'t> {
    pub parts: &'t Parts<'t>,
    pub outcome: Outcome<'t>,
    pub table: &'t Table,
    pub position: &'t Position,
}

/// What it says.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The arguments that select, if there are some and all could be read.
    pub arguments: Option<Selected>,
    /// The flags of clone3(2), which are in memory.
    pub flags: Option<u64>,
    pub uses: Uses,
    /// What it opened, if it is a call that opens and has.
    pub opened: Option<OpenedBy>,
    pub lost: Lost,
}

/// What a call has opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OpenedBy {
    /// The file; none where the log does not tell which.
    pub file: Option<OpenFile>,
    /// The flags that it was opened with.
    pub flags: Option<u64>,
}

/// How much could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lost {
    /// Paths that strace cut.
    pub cut: u64,
    /// Paths, or what was done to them, that are not in the log.
    pub unread: u64,
    /// Descriptors of files that have no name in the log.
    pub nameless: u64,
    /// Sockets or addresses.
    pub sockets: u64,
}

impl Lost {
    /// Adds what else is lost.
    pub(super) fn add(&mut self, other: Lost) {
        self.cut += other.cut;
        self.unread += other.unread;
        self.nameless += other.nameless;
        self.sockets += other.sockets;
    }
}

/// The registers of a call, as far as they could be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registers {
    pub values: [u64; 6],
    pub known: [bool; 6],
}

impl Registers {
    /// The value of one.
    pub(super) fn get(&self, index: u8) -> Option<u64> {
        let index = usize::from(index);
        self.known.get(index).filter(|known| **known).and_then(|_| self.values.get(index)).copied()
    }
}

impl Meaning {
    /// What is to be read of a call; none where nothing is.
    pub(super) fn of(call: Syscall) -> Option<Meaning> {
        let (selecting, operands, address) =
            (Selecting::of(call), operands::operands(call), address_operand(call));
        let is_clone3 = call.name() == Some("clone3");
        let is_read = selecting.is_some() || operands.is_some() || address.is_some() || is_clone3;
        is_read.then(|| Meaning {
            call,
            selecting,
            operands,
            address,
            arguments: arguments::of(call).len(),
            halves: halves(call),
            is_clone: call.name() == Some("clone"),
            is_clone3,
        })
    }

    /// Whether it has arguments that are kept.
    pub(super) fn has_arguments(&self) -> bool {
        self.selecting.is_some() || self.is_clone3
    }

    /// Whether it has to do with files or sockets.
    pub(super) fn has_uses(&self) -> bool {
        self.operands.is_some() || self.address.is_some()
    }

    /// Whether it has to do with sockets.
    pub(super) fn is_of_sockets(&self) -> bool {
        self.address.is_some()
    }

    /// Reads it.
    pub(super) fn read(&self, ended: Ended<'_>) -> Said {
        let mut said = Said::default();
        let registers = self.registers(ended.parts);
        said.arguments = self.selecting.and_then(|selecting| {
            let selected = selecting.values(&registers.values);
            let is_known = |(index, _)| registers.known.get(index) == Some(&true);
            selected.kept().all(is_known).then_some(selected)
        });
        if self.is_clone3 {
            let first = ended.parts.items.first().map(|first| line::unnamed(first));
            // Behind it may stand what the kernel has filled in: `{flags=...} => {parent_tid=[7]}`.
            let within = first.and_then(|first| Parts::of(first.strip_prefix(b"{")?));
            said.flags = within.and_then(|within| value(self.call.abi, within.field("flags")?));
        }
        self.read_files(ended, registers, &mut said);
        self.read_sockets(ended, &mut said);
        said
    }

    /// The arguments that are numbers.
    fn registers(&self, parts: &Parts<'_>) -> Registers {
        let mut registers = Registers { values: [0; 6], known: [false; 6] };
        for (index, (value_of, known)) in registers.values.iter_mut().zip(&mut registers.known).enumerate() {
            if let Some(number) = self.item(parts, index).and_then(|text| value(self.call.abi, text)) {
                (*value_of, *known) = (number, true);
            }
        }
        registers
    }

    /// How an argument is printed, by its place in the call. With `-e raw` all registers are, otherwise two halves of a
    /// number are one, and clone's flags are where they have a name.
    pub(super) fn item<'t>(&self, parts: &Parts<'t>, index: usize) -> Option<&'t [u8]> {
        if self.is_clone && parts.items.first().is_some_and(|item| item.contains(&b'=')) {
            return parts.field("flags").filter(|_| index == 0);
        }
        let is_raw = parts.items.len() + self.halves.len() > self.arguments;
        let before = self.halves.iter().filter(|half| **half <= index).count();
        let at = if is_raw { index } else { index.checked_sub(before)? };
        parts.items.get(at).copied()
    }
}

/// The arguments that are the second halves of numbers, or nothing at all: those of 64 bits on machines of 32, and
/// offsets of `preadv` everywhere.
fn halves(call: Syscall) -> Vec<usize> {
    let arguments = arguments::of(call);
    let stem = |name: &'static str| {
        let ends = ["_low", "_high", "_l", "_h"];
        ends.iter().find_map(|end| name.strip_suffix(end))
    };
    let before = std::iter::once(None).chain(arguments.iter().map(|argument| stem(argument.name)));
    let is_second = |name, before: Option<&str>| before.is_some() && stem(name) == before;
    let pairs = arguments.iter().zip(before).enumerate();
    pairs
        .filter(|(_, (argument, before))| argument.name == "padding" || is_second(argument.name, *before))
        .map(|(index, _)| index)
        .collect()
}
