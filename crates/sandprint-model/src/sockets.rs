//! What is done with sockets: which socket, which operation, which address.

use std::fmt;

use crate::Key;

mod address;
mod operands;
mod words;

pub use address::Address;
pub use operands::{AddressOperand, MessageLayout, address_operand};
pub use words::{Family, SocketType};

/// What is done with a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// It is made (socket(2)).
    Socket,
    /// It gets an address of its own (bind(2)).
    Bind,
    /// It gets a peer (connect(2)).
    Connect,
    /// It waits for peers (listen(2)).
    Listen,
    /// Something is sent to an address that comes with the call (sendto(2), sendmsg(2), sendmmsg(2)).
    Send,
}

impl Operation {
    /// Every operation, in the order in which a program comes to them.
    pub const ALL: [Operation; 5] =
        [Operation::Socket, Operation::Bind, Operation::Connect, Operation::Listen, Operation::Send];

    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Socket => "socket",
            Operation::Bind => "bind",
            Operation::Connect => "connect",
            Operation::Listen => "listen",
            Operation::Send => "send",
        }
    }

    /// The operation of that word.
    pub fn from_name(name: &str) -> Option<Operation> {
        Operation::ALL.into_iter().find(|operation| operation.name() == name)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A socket, what is done with it, and the address that is given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket {
    /// The family of the socket, which need not be that of the address.
    pub family: Family,
    /// Its type.
    pub kind: SocketType,
    /// Its protocol, whose name depends on the family: [`Family::protocol_name`].
    pub protocol: u32,
    /// What is done.
    pub operation: Operation,
    /// The address that is given; [`Address::None`] for operations that take none.
    pub address: Address,
}

impl Key for Socket {
    fn first() -> Socket {
        Socket {
            family: Family(0),
            kind: SocketType(0),
            protocol: 0,
            operation: Operation::Socket,
            address: Address::None,
        }
    }
}

#[cfg(test)]
mod tests;
