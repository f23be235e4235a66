//! What is known of system call arguments: names, kinds, constants, which of them are worth a rule.
//!
//! All of it is data, in `data/arguments`: `cargo xtask tables` joins the files and makes static tables of them, so
//! that a program which asks for nothing pays for nothing. A filter sees registers and no memory, and so does this
//! module: what a pointer leads to is not in it.

use crate::{Abi, Syscall, Width};

mod constants;
mod render;
mod selected;
mod tables;

pub use constants::{constant, constants_like};
pub use render::{render, render_selected, render_value};
pub use selected::{Decided, Selected, Selecting, When};
pub use tables::Set;
pub(crate) use tables::{families, internet_protocols, netlink_protocols, socket_types};

/// An argument of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Its name in the kernel's prototype: `family`, `prot`, `which_clock`.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// How a filter compares it: the bits of the register that the kernel looks at. [`Width::Bits32`] also for a
    /// `long` of which the kernel ignores the upper half (`clone`, `mmap`), and for everything on a 32-bit ABI.
    pub width: Width,
}

/// What an argument holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A descriptor that paths start from; may be `AT_FDCWD`.
    DirFd,
    /// A descriptor.
    Fd,
    /// Any of the bits of a set; where the set has a [field](Set::field), one of its values there.
    Flags(&'static Set),
    /// A group id.
    Gid,
    /// A signed number of 32 bits.
    Int,
    /// A signed number as wide as a register.
    Long,
    /// Permission bits of a file.
    Mode,
    /// A position in a file.
    Offset,
    /// Exactly one value of a set.
    One(&'static Set),
    /// The address of a path.
    Path,
    /// A process or thread id.
    Pid,
    /// An address.
    Pointer,
    /// A signal's number.
    Signal,
    /// A length or a count.
    Size,
    /// The address of a string that is no path.
    String,
    /// A user id.
    Uid,
    /// An unsigned number.
    Uint,
    /// A number or an address, as other arguments have it.
    Word,
}

/// An argument by which a rule can tell calls apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector {
    /// Which argument, from 0.
    pub index: usize,
    /// How it is compared; the argument's own width.
    pub width: Width,
    /// What a rule about it says.
    pub matching: Match,
    /// The argument in whose company alone it has a meaning: a rule about this one without an exact value of that one
    /// says nothing. [`kind_given`] tells what it then holds; an address, a descriptor or an id is not worth a rule.
    pub with: Option<usize>,
    /// What whoever writes or reads the rule should know.
    pub note: Option<&'static str>,
}

/// What a rule about an argument says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// One of the values that were seen.
    Exact,
    /// No other bits than those that were seen.
    AllowedBits,
    /// One of the values seen under the mask, and outside of it no other bits than those that were seen.
    Field(u64),
    /// One of the values seen under the mask; what is outside of it does not matter.
    Masked(u64),
    /// None of these bits.
    ForbiddenBits(u64),
    /// Not all of these bits at once.
    NotTogether(u64),
    /// All of these bits.
    RequiredBits(u64),
    /// Zero: nothing else has a meaning.
    Zero,
}

/// The arguments of a call, in order. Empty for one that takes none, and for a number without a name.
pub fn of(syscall: Syscall) -> &'static [Argument] {
    tables::Row::of(syscall).map_or(&[], |row| row.arguments)
}

/// The arguments of a call that are worth a rule, by index; at most one for each index.
pub fn selectors(syscall: Syscall) -> &'static [Selector] {
    tables::Row::of(syscall).map_or(&[], |row| row.selectors)
}

/// What an argument holds in a call with these arguments: the option's name of `setsockopt` depends on the level.
///
/// None for an argument that the kernel does not look at then (the mode of an `open` that creates nothing), and for
/// an index that the call does not have.
pub fn kind_given(syscall: Syscall, index: usize, args: &[u64; 6]) -> Option<Kind> {
    tables::Row::of(syscall)?.kind_given(index, args)
}

/// The bits of a value that are compared.
fn truncated(value: u64, width: Width) -> u64 {
    match width {
        Width::Bits32 => value & u64::from(u32::MAX),
        Width::Bits64 => value,
    }
}

/// The bit of an ABI in the tables.
fn bit(abi: Abi) -> u8 {
    match abi {
        Abi::Aarch64 => 1,
        Abi::Arm => 1 << 1,
        Abi::I386 => 1 << 2,
        Abi::X32 => 1 << 3,
        Abi::X86_64 => 1 << 4,
    }
}

#[cfg(test)]
mod tests;
