//! What kind of socket a descriptor of another process is.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::LazyLock;

use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use sandprint_model::{Family, SocketType};
use sandprint_sandbox::probe;

/// Whether it may be asked for at all: some filters end whoever does.
static MAY_ASK: LazyLock<bool> = LazyLock::new(|| probe::survive(probe::SOCKETS).is_ok());

/// Family, type and protocol of the socket that a descriptor of the process `tgid` is; none for what is no socket.
///
/// The kernel tells it only of a descriptor of one's own: so the socket is ours too, for as long as that takes.
pub(super) fn of_descriptor(tgid: u32, descriptor: u64) -> Result<Option<(Family, SocketType, u32)>, Errno> {
    let Some(socket) = borrowed(tgid, descriptor)? else { return Ok(None) };
    let family = match sockopt::socket_domain(&socket) {
        Ok(family) => Family(family.as_raw()),
        Err(Errno::NOTSOCK | Errno::BADF) => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = SocketType(sockopt::socket_type(&socket)?.as_raw());
    let protocol = sockopt::socket_protocol(&socket)?.map_or(0, |protocol| protocol.as_raw().get());
    Ok(Some((family, kind, protocol)))
}

/// What a socket is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) kind: SocketType,
    /// The port of whom it is connected to; none where it is to nobody, or that is no peer of the internet.
    pub(super) port: Option<u16>,
}

/// What the socket is connected to that a descriptor of the process `tgid` is; none for what is no socket.
pub(super) fn peer_of_descriptor(tgid: u32, descriptor: u64) -> Result<Option<Peer>, Errno> {
    let Some(socket) = borrowed(tgid, descriptor)? else { return Ok(None) };
    let kind = match sockopt::socket_type(&socket) {
        Ok(kind) => SocketType(kind.as_raw()),
        Err(Errno::NOTSOCK | Errno::BADF) => return Ok(None),
        Err(error) => return Err(error),
    };
    let address = rustix::net::getpeername(&socket).ok().flatten();
    let port = address.and_then(|address| SocketAddr::try_from(address).ok()).map(|address| address.port());
    Ok(Some(Peer { kind, port }))
}

/// A descriptor of another process as one of ours; none where it has no such one, or that is no socket. To close one of a
/// file may ask its file system, which may be the workload's own and wait for us (FUSE); so the link says first what it is.
fn borrowed(tgid: u32, descriptor: u64) -> Result<Option<OwnedFd>, Errno> {
    let pid = i32::try_from(tgid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    if !*MAY_ASK {
        return Err(Errno::PERM);
    }
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let descriptor = super::asked::low(descriptor).cast_signed();
    let link = rustix::fs::readlink(format!("/proc/{tgid}/fd/{descriptor}"), Vec::new());
    if !link.is_ok_and(|link| link.as_bytes().starts_with(b"socket:[")) {
        return Ok(None);
    }
    match pidfd_getfd(&process, descriptor, PidfdGetfdFlags::empty()) {
        Ok(socket) => Ok(Some(socket)),
        Err(Errno::BADF) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_socket_of_this_process_is_told_from_a_file() {
        let me = std::process::id();
        let of = |descriptor: i32| of_descriptor(me, u64::try_from(descriptor).unwrap());
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(of(udp.as_raw_fd()), Ok(Some((Family::INET, SocketType(2), 17))));
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(of(file.as_raw_fd()), Ok(None));
        assert_eq!(of(i32::MAX), Ok(None));
        let peer = |socket: &UdpSocket| {
            peer_of_descriptor(me, u64::try_from(socket.as_raw_fd()).unwrap()).unwrap().unwrap()
        };
        assert_eq!(peer(&udp), Peer { kind: SocketType(2), port: None });
        let port = udp.local_addr().unwrap().port();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        other.connect(("127.0.0.1", port)).unwrap();
        assert_eq!(peer(&other).port, Some(port));
        assert_eq!(peer_of_descriptor(me, u64::try_from(file.as_raw_fd()).unwrap()), Ok(None));
    }
}
