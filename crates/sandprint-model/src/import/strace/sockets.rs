//! What one call of an strace log did with sockets.

use super::address;
use super::descriptor::{Descriptor, Open, OpenSocket};
use super::line;
use super::parts::Parts;
use super::reading::{EBADF, EFAULT, Ended, Meaning, Outcome, Said};
use super::value::value;
use crate::errno::Errno;
use crate::uses::SocketUse;
use crate::{Abi, Address, AddressOperand, Family, Operation, Socket, SocketType};

/// "Socket operation on non-socket".
const ENOTSOCK: Errno = Errno(88);

impl Meaning {
    pub(super) fn read_sockets(&self, ended: Ended<'_>, said: &mut Said) {
        let Some(operand) = self.address else { return };
        let error = match ended.outcome {
            Outcome::Succeeded(_) => None,
            Outcome::Failed(error) => Some(error),
            Outcome::Unknown => return,
        };
        let item = |index: u8| self.item(ended.parts, index.into());
        if let AddressOperand::Made { .. } = operand {
            match made(self.call.abi, ended.parts) {
                Some(socket) => add(socket, Operation::Socket, Address::None, (ended, error), said),
                None => said.lost.sockets += 1,
            }
            return;
        }
        let operation = operand.operation();
        let read = |text: &[u8]| address::read(self.call.abi, text, operation);
        let in_message = |text: &[u8]| match Parts::within(line::unnamed(text)) {
            Some(message) => message.field("msg_name").and_then(read),
            None => None,
        };
        let (socket, addresses) = match operand {
            AddressOperand::Made { .. } => return,
            AddressOperand::NoAddress { socket, .. } => (socket, vec![Some(Address::None)]),
            AddressOperand::Direct { socket, address, .. } => (socket, vec![item(address).and_then(read)]),
            AddressOperand::Message { socket, message, .. } => {
                (socket, vec![item(message).and_then(in_message)])
            }
            AddressOperand::ManyMessages { socket, messages, .. } => {
                let list = item(messages).map(line::unnamed).and_then(Parts::within);
                let in_header = |text: &[u8]| Parts::within(text)?.field("msg_hdr").and_then(in_message);
                // The result says how many were sent; of a call that failed the first one was tried.
                let sent = match ended.outcome {
                    Outcome::Succeeded(result) => line::child(result).unwrap_or(0),
                    Outcome::Failed(_) | Outcome::Unknown => 1,
                };
                let sent = usize::try_from(sent).unwrap_or(usize::MAX).min(MOST_MESSAGES);
                let items = list.iter().flat_map(|list| list.items.iter().map(|item| in_header(item)));
                (socket, items.chain(std::iter::repeat(None)).take(sent).collect())
            }
        };
        for address in addresses {
            match address {
                // To the peer that it has.
                Some(Address::None) if operation != Operation::Listen => {}
                Some(address) => match self.socket(item(socket), ended, error) {
                    Ok(socket) => add(socket, operation, address, (ended, error), said),
                    Err(lost) => said.lost.sockets += lost,
                },
                None => said.lost.sockets += u64::from(error != Some(EFAULT)),
            }
        }
    }

    /// The socket that a descriptor is; otherwise how much is lost by that.
    fn socket(&self, text: Option<&[u8]>, ended: Ended<'_>, error: Option<Errno>) -> Result<OpenSocket, u64> {
        let descriptor = text.and_then(|text| Descriptor::read(self.call.abi, text)).ok_or(1_u64)?;
        let known = || ended.table.get(descriptor.number).cloned();
        match descriptor.open.or_else(known) {
            Some(Open::Socket(socket)) => Ok(socket),
            Some(_) => Err(0),
            None => Err(u64::from(!matches!(error, Some(EBADF | ENOTSOCK)))),
        }
    }
}

/// Most messages that one call sends (`UIO_MAXIOV`, net/socket.c).
const MOST_MESSAGES: usize = 1024;

/// The socket that socket(2) or socketpair(2) is asked for.
pub(super) fn made(abi: Abi, parts: &Parts<'_>) -> Option<OpenSocket> {
    let number = |index: usize| u32::try_from(value(abi, parts.items.get(index)?)? & 0xffff_ffff).ok();
    let kind = SocketType::of_argument(number(1)?);
    Some(OpenSocket { family: Family(number(0)?.try_into().ok()?), kind, protocol: number(2)? })
}

/// The socket that comes of it: the kernel puts the usual protocol in place of 0 (`inetsw_array`, `net/ipv4/af_inet.c`),
/// and keeps none of those of Unix, and of packets (`unix_create`, `packet_create`).
pub(super) fn as_made(socket: OpenSocket) -> OpenSocket {
    let protocol = match (socket.family, socket.kind) {
        (Family::INET | Family::INET6, SocketType::STREAM) if socket.protocol == 0 => 6,
        (Family::INET | Family::INET6, SocketType::DGRAM) if socket.protocol == 0 => 17,
        (Family::UNIX | Family::PACKET, _) => 0,
        _ => socket.protocol,
    };
    OpenSocket { protocol, ..socket }
}

fn add(
    socket: OpenSocket,
    operation: Operation,
    address: Address,
    (ended, error): (Ended<'_>, Option<Errno>),
    said: &mut Said,
) {
    let OpenSocket { family, kind, protocol } = socket;
    let socket = Socket { family, kind, protocol, operation, address };
    let directory = ended.position.directory.as_ref();
    let base = directory.filter(|place| place.path.as_bytes().starts_with(b"/")).cloned();
    said.uses.add_socket(&SocketUse { socket, error, base });
}

/// What a socket's descriptor is of, as a number of an argument's list: `[3, 4]`.
pub(super) fn listed(abi: Abi, text: &[u8]) -> Vec<Descriptor> {
    let items = Parts::within(line::unnamed(text)).map(|parts| parts.items).unwrap_or_default();
    items.into_iter().filter_map(|item| Descriptor::read(abi, item)).collect()
}

/// Whether a value has one of these bits.
pub(super) fn has(abi: Abi, text: Option<&&[u8]>, bits: u64) -> bool {
    text.and_then(|text| value(abi, text)).is_some_and(|value| value & bits != 0)
}
