//! What kind of socket a descriptor of another process is.

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
    let pid = i32::try_from(tgid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    if !*MAY_ASK {
        return Err(Errno::PERM);
    }
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let descriptor = super::asked::low(descriptor).cast_signed();
    let socket = match pidfd_getfd(&process, descriptor, PidfdGetfdFlags::empty()) {
        Ok(socket) => socket,
        Err(Errno::BADF) => return Ok(None),
        Err(error) => return Err(error),
    };
    let family = match sockopt::socket_domain(&socket) {
        Ok(family) => Family(family.as_raw()),
        Err(Errno::NOTSOCK | Errno::BADF) => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = SocketType(sockopt::socket_type(&socket)?.as_raw());
    let protocol = sockopt::socket_protocol(&socket)?.map_or(0, |protocol| protocol.as_raw().get());
    Ok(Some((family, kind, protocol)))
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
    }
}
