//! The sockets of a call, and the addresses that it gives them.

use sandprint_model::uses::{Lead, SocketUse};
use sandprint_model::{
    Address, AddressOperand, Family, MessageLayout, Operation, Outcomes, Socket, SocketType,
};

use super::{EFAULT, Found, Look, low};
use crate::books::memory::Memory;
use crate::books::{places, sockets};

/// Most bytes of an address (`struct sockaddr_storage`).
const MOST_ADDRESS: u64 = 128;
/// Most messages of one call that the kernel sends (`UIO_MAXIOV`, linux/uio.h).
const MOST_MESSAGES: u64 = 1024;

impl Look {
    pub(super) fn sockets(&self, operand: AddressOperand, memory: Option<&Memory>, found: &mut Found) {
        match operand {
            AddressOperand::Made { family, kind, protocol } => {
                let low = |index| low(self.argument(index));
                let [low_byte, high_byte, ..] = low(family).to_le_bytes();
                let socket = Socket {
                    family: Family(u16::from_le_bytes([low_byte, high_byte])),
                    kind: SocketType::of_argument(low(kind)),
                    protocol: low(protocol),
                    operation: Operation::Socket,
                    address: Address::None,
                };
                self.add_socket(found, socket);
            }
            AddressOperand::NoAddress { socket, operation } => {
                self.socket(socket, operation, Address::None, found);
            }
            AddressOperand::Direct { socket, address, length, operation } => {
                let length = u64::from(low(self.argument(length)));
                self.addressed(socket, operation, Some((self.argument(address), length)), memory, found);
            }
            AddressOperand::Message { socket, message, operation } => {
                let at = self.message(memory, self.argument(message));
                self.addressed(socket, operation, at, memory, found);
            }
            AddressOperand::ManyMessages { socket, messages, count, operation } => {
                let stride = u64::from(MessageLayout::of(self.call.abi).stride);
                // The first of them is what failed; and all may have been sent where the result is not seen.
                let sent = match self.result {
                    Some(result) => u64::try_from(result).unwrap_or(0).max(1),
                    None => u64::from(low(self.argument(count))),
                };
                for nth in 0..sent.min(MOST_MESSAGES) {
                    let message = self.argument(messages).wrapping_add(nth.wrapping_mul(stride));
                    let at = self.message(memory, message);
                    self.addressed(socket, operation, at, memory, found);
                }
            }
        }
    }

    /// Where the address of a message is, and how long; none where that cannot be read.
    fn message(&self, memory: Option<&Memory>, at: u64) -> Option<(u64, u64)> {
        let pointer = usize::from(MessageLayout::of(self.call.abi).pointer);
        let mut bytes = [0; 12];
        let head = bytes.get_mut(..pointer + 4)?;
        if !memory?.read(at, head) {
            return None;
        }
        let (address, length) = head.split_at_checked(pointer)?;
        let address = address.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Some((address, u32::from_ne_bytes(length.try_into().ok()?).into()))
    }

    /// A socket that is given the address that lies there.
    fn addressed(
        &self,
        socket: u8,
        operation: Operation,
        at: Option<(u64, u64)>,
        memory: Option<&Memory>,
        found: &mut Found,
    ) {
        let lost = u64::from(self.error() != Some(EFAULT));
        let Some((address, length)) = at else {
            found.sockets_lost += lost;
            return;
        };
        // It goes to the peer that the socket has.
        if address == 0 || length == 0 {
            return;
        }
        let mut bytes = vec![0; usize::try_from(length.min(MOST_ADDRESS)).unwrap_or_default()];
        if memory.is_none_or(|memory| !memory.read(address, &mut bytes)) {
            found.sockets_lost += lost;
            return;
        }
        self.socket(socket, operation, Address::given_to(operation, &bytes), found);
    }

    fn socket(&self, descriptor: u8, operation: Operation, address: Address, found: &mut Found) {
        match sockets::of_descriptor(self.who.tgid, self.argument(descriptor)) {
            Ok(Some((family, kind, protocol))) => {
                self.add_socket(found, Socket { family, kind, protocol, operation, address });
            }
            // No socket: the call failed.
            Ok(None) => {}
            Err(_) => found.sockets_lost += 1,
        }
    }

    fn add_socket(&self, found: &mut Found, socket: Socket) {
        let is_relative =
            matches!(&socket.address, Address::UnixPath(path) if !path.as_bytes().starts_with(b"/"));
        let base = is_relative.then(|| places::working_directory(self.who.tid)).flatten();
        let of = SocketUse { socket, error: self.error(), base };
        let (file, lead) = of.file_and_lead();
        found.files.extend(file.map(|(path, seen)| (path, self.as_known(seen))));
        if let Some(Lead { seen, through, last }) = lead {
            found.lead(self.who, Lead { seen: self.as_known(seen), through, last });
        }
        let outcomes = if self.result.is_some() { of.outcomes() } else { Outcomes::default() };
        found.sockets.push((of.socket, outcomes));
    }
}
