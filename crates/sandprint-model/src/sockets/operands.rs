//! Where the calls that work with sockets have the socket and the address.

use super::Operation;
use crate::{Abi, Syscall};

/// Where a call has its socket and its address, as indices of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressOperand {
    /// The call makes a socket, which is its result.
    Made {
        /// The family.
        family: u8,
        /// The type, with flags: [`super::SocketType::of_argument`].
        kind: u8,
        /// The protocol.
        protocol: u8,
    },
    /// The call has a descriptor, and no address.
    NoAddress {
        /// The descriptor.
        socket: u8,
        /// What is done.
        operation: Operation,
    },
    /// The call has the place of an address and its length.
    Direct {
        /// The descriptor.
        socket: u8,
        /// The place. May be null, for sending to the peer that the socket has.
        address: u8,
        /// How many bytes the address has.
        length: u8,
        /// What is done.
        operation: Operation,
    },
    /// The call has the place of a `struct msghdr`, which has those of the address: [`MessageLayout`].
    Message {
        /// The descriptor.
        socket: u8,
        /// The place of the message's head.
        message: u8,
        /// What is done.
        operation: Operation,
    },
    /// The call has the place of several `struct mmsghdr`, each of which begins with a `struct msghdr`.
    ManyMessages {
        /// The descriptor.
        socket: u8,
        /// The place of the first.
        messages: u8,
        /// How many there are. The kernel looks at 1024 at most (`UIO_MAXIOV`, net/socket.c); its result says
        /// how many were sent.
        count: u8,
        /// What is done.
        operation: Operation,
    },
}

impl AddressOperand {
    /// What the call does.
    pub fn operation(self) -> Operation {
        match self {
            AddressOperand::Made { .. } => Operation::Socket,
            AddressOperand::NoAddress { operation, .. }
            | AddressOperand::Direct { operation, .. }
            | AddressOperand::Message { operation, .. }
            | AddressOperand::ManyMessages { operation, .. } => operation,
        }
    }
}

/// Where a call has the socket that it works with, and the address that it is given. None for any other call.
///
/// `socketcall` (i386) has its arguments in memory, and is here the call that it stands for. `accept` is given no
/// address, it gives one. `socketpair` makes sockets that have each other as peers already, and reaches nobody.
pub fn address_operand(call: Syscall) -> Option<AddressOperand> {
    let operand = match call.name()? {
        "socket" => AddressOperand::Made { family: 0, kind: 1, protocol: 2 },
        "listen" => AddressOperand::NoAddress { socket: 0, operation: Operation::Listen },
        "bind" => direct(1, 2, Operation::Bind),
        "connect" => direct(1, 2, Operation::Connect),
        "sendto" => direct(4, 5, Operation::Send),
        "sendmsg" => AddressOperand::Message { socket: 0, message: 1, operation: Operation::Send },
        "sendmmsg" => {
            AddressOperand::ManyMessages { socket: 0, messages: 1, count: 2, operation: Operation::Send }
        }
        _ => return None,
    };
    Some(operand)
}

fn direct(address: u8, length: u8, operation: Operation) -> AddressOperand {
    AddressOperand::Direct { socket: 0, address, length, operation }
}

/// How an ABI lays out messages: `struct msghdr` and `struct mmsghdr` of linux/socket.h, `struct compat_msghdr` and
/// `struct compat_mmsghdr` of net/compat.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLayout {
    /// How many bytes the place of the address has, which is the first field. Its length follows, in 4 bytes.
    pub pointer: u8,
    /// How many bytes are from one `struct mmsghdr` to the next.
    pub stride: u8,
}

impl MessageLayout {
    /// The layout of an ABI.
    pub fn of(abi: Abi) -> MessageLayout {
        match abi {
            Abi::Aarch64 | Abi::X86_64 => MessageLayout { pointer: 8, stride: 64 },
            Abi::Arm | Abi::I386 | Abi::X32 => MessageLayout { pointer: 4, stride: 32 },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::arguments;

    const CALLS: [&str; 7] = ["bind", "connect", "listen", "sendmmsg", "sendmsg", "sendto", "socket"];

    #[test]
    fn every_abi_has_the_calls_and_no_others() {
        for abi in Abi::ALL {
            let found: BTreeSet<&str> = Syscall::all(abi)
                .filter(|call| address_operand(*call).is_some())
                .filter_map(Syscall::name)
                .collect();
            assert_eq!(found, BTreeSet::from(CALLS), "{abi}");
        }
        assert_eq!(address_operand(Syscall { abi: Abi::X86_64, nr: 9999 }), None);
    }

    #[test]
    fn operands_are_the_arguments_that_the_tables_name_so() {
        let indices = |operand| match operand {
            AddressOperand::Made { family, kind, protocol } => vec![family, kind, protocol],
            AddressOperand::NoAddress { socket, .. } => vec![socket],
            AddressOperand::Direct { socket, address, length, .. } => vec![socket, address, length],
            AddressOperand::Message { socket, message, .. } => vec![socket, message],
            AddressOperand::ManyMessages { socket, messages, count, .. } => vec![socket, messages, count],
        };
        let mut lines = BTreeSet::new();
        for abi in Abi::ALL {
            for call in Syscall::all(abi) {
                let Some(operand) = address_operand(call) else { continue };
                let arguments = arguments::of(call);
                let named: Vec<&str> =
                    indices(operand).into_iter().map(|index| arguments[usize::from(index)].name).collect();
                lines.insert(format!("{call} ({}) {}", operand.operation(), named.join(" ")));
            }
        }
        insta::assert_snapshot!(lines.into_iter().collect::<Vec<_>>().join("\n"));
    }
}
