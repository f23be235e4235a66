//! Calls that a filter let run and had logged (`SECCOMP_RET_LOG`), from the kernel's audit records.
//!
//! Nothing else shows them: the call runs like any other. The records come by the multicast group of audit(7), which
//! any number of readers may join beside auditd. They have no arguments, and some of them may never come: what is
//! known of that is told by [`LogReader::open`] and [`LogReader::missed`].

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use sandprint_model::import::{SeccompRecord, seccomp_record};
use sandprint_sandbox::poll;
use sandprint_sandbox::probe;

use crate::ebpf::Missed;

/// The group that gets every record (`AUDIT_NLGRP_READLOG`, linux/audit.h), as a mask.
const READLOG: u32 = 1;
/// The type of seccomp's records (`AUDIT_SECCOMP`, linux/audit.h).
const AUDIT_SECCOMP: u16 = 1326;
/// Asks for the state of auditing (`AUDIT_GET`, linux/audit.h).
const AUDIT_GET: u16 = 1000;
/// A request (`NLM_F_REQUEST`, linux/netlink.h).
const REQUEST: u16 = 1;
/// `struct nlmsghdr`: length, type, flags, sequence, port.
const HEADER: usize = 16;
/// Where `lost` and `backlog` lie in `struct audit_status` (linux/audit.h).
const LOST: usize = HEADER + 6 * 4;
const BACKLOG: usize = HEADER + 7 * 4;
/// The longest record (`MAX_AUDIT_MESSAGE_LENGTH`, 8970), with its header, and room.
const LONGEST: usize = 16 * 1024;
/// What may wait for us, in bytes: tens of thousands of records.
const WAITING: usize = 16 * 1024 * 1024;
/// Most records that are read at once.
const AT_ONCE: usize = 4096;
/// How long the kernel may take to answer.
const ANSWER: Duration = Duration::from_millis(500);

/// Reads the records of calls that ran and were logged.
#[derive(Debug)]
pub struct LogReader {
    socket: OwnedFd,
    buffer: Vec<u8>,
    /// The kernel's count of records that it dropped, when we began; none where we may not ask.
    lost_before: Option<u32>,
    overflows: u64,
    unreadable: u64,
}

/// Why logged calls cannot be seen here, in a sentence's words, and what would change that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unseen {
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: String,
}

impl Unseen {
    fn new(why: impl Into<String>, hint: impl Into<String>) -> Unseen {
        Unseen { why: why.into(), hint: hint.into() }
    }
}

impl LogReader {
    /// Begins to read: records made from here on are seen.
    pub fn open() -> Result<LogReader, Unseen> {
        if let Some(unseen) = switched_off() {
            return Err(unseen);
        }
        if let Err(deadly) = probe::survive(probe::AUDIT) {
            return Err(Unseen::new(deadly.to_string(), "run it outside of that filter"));
        }
        let socket = open_socket(READLOG).map_err(refused)?;
        // More than the system's limit takes CAP_NET_ADMIN; without it, the limit is what there is.
        if sockopt::set_socket_recv_buffer_size_force(&socket, WAITING).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, WAITING).unwrap_or_default();
        }
        Ok(LogReader {
            socket,
            buffer: vec![0; LONGEST],
            lost_before: status().map(|status| status.lost),
            overflows: 0,
            unreadable: 0,
        })
    }

    /// What arrived since, without waiting: only records of calls that ran and were logged.
    pub fn records(&mut self) -> io::Result<Vec<SeccompRecord>> {
        let mut records = Vec::new();
        for _ in 0..AT_ONCE {
            let (length, sender) =
                match rustix::net::recvfrom(&self.socket, self.buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
                    Ok((_, length, sender)) => (length, sender),
                    Err(Errno::AGAIN) => break,
                    Err(Errno::INTR) => continue,
                    // The kernel had records for which there was no room here; it does not say how many.
                    Err(Errno::NOBUFS) => {
                        self.overflows = self.overflows.saturating_add(1);
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
            let is_kernel = sender
                .and_then(|sender| SocketAddrNetlink::try_from(sender).ok())
                .is_some_and(|sender| sender.pid() == 0);
            let message = self.buffer.get(..length.min(LONGEST)).unwrap_or_default();
            let decoded = if is_kernel { decode(message) } else { Decoded::Other };
            match decoded {
                Decoded::Logged(record) => records.push(record),
                Decoded::Unreadable => self.unreadable = self.unreadable.saturating_add(1),
                Decoded::Other => {}
            }
        }
        Ok(records)
    }

    /// How many records the kernel has made and not handed on yet, of whatever kind; 0 where we may not ask.
    ///
    /// A thread of the kernel's own hands them on, and on a busy machine it comes to that late.
    pub fn pending(&self) -> u32 {
        status().map_or(0, |status| status.backlog)
    }

    /// What was missed so far, as far as that is known.
    pub fn missed(&self) -> Vec<Missed> {
        let dropped = match (self.lost_before, status()) {
            (Some(before), Some(now)) => u64::from(now.lost.wrapping_sub(before)),
            _ => 0,
        };
        [
            ("times that audit records came faster than they could be read", self.overflows),
            ("audit records that the kernel dropped beyond its limits", dropped),
            ("audit records of seccomp that could not be understood", self.unreadable),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| Missed { what: what.to_owned(), count })
        .collect()
    }
}

impl AsFd for LogReader {
    /// Readable when a record is there, of whatever kind.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What a message of the group is.
#[derive(Debug, PartialEq, Eq)]
enum Decoded {
    Logged(SeccompRecord),
    /// Of seccomp, but not one that we know how to read.
    Unreadable,
    Other,
}

fn decode(message: &[u8]) -> Decoded {
    // Old kernels leave the header out of the length that it states, so only the datagram's own end counts.
    if message_type(message) != Some(AUDIT_SECCOMP) {
        return Decoded::Other;
    }
    let text = message.get(HEADER..).unwrap_or_default();
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    match seccomp_record(text.get(..end).unwrap_or_default()) {
        // SECCOMP_RET_LOG (linux/seccomp.h). The other actions keep calls from running, and are seen where that happens.
        Some(record) if record.returned & 0xffff_0000 == 0x7ffc_0000 => Decoded::Logged(record),
        Some(_) => Decoded::Other,
        None => Decoded::Unreadable,
    }
}

fn message_type(message: &[u8]) -> Option<u16> {
    let [low, high] = message.get(4..6)? else { return None };
    Some(u16::from_ne_bytes([*low, *high]))
}

fn open_socket(groups: u32) -> rustix::io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::AUDIT),
    )?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Why the socket could not be had.
fn refused(error: Errno) -> Unseen {
    match error {
        Errno::PERM | Errno::ACCESS => {
            Unseen::new("CAP_AUDIT_READ is missing", "use sudo, or grant cap_audit_read as well")
        }
        Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT => {
            Unseen::new("the kernel has no auditing (CONFIG_AUDIT)", "a kernel with CONFIG_AUDIT shows them")
        }
        other => Unseen::new(
            format!("audit records cannot be read ({})", io::Error::from(other)),
            "`auditctl -s` says how auditing stands",
        ),
    }
}

/// Where it is known without asking that no record will come.
fn switched_off() -> Option<Unseen> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    // Linux 4.14 and later have the file (seccomp(2)).
    let logged = read("/proc/sys/kernel/seccomp/actions_logged");
    if !logged.is_empty() && !logged.split_whitespace().any(|action| action == "log") {
        return Some(Unseen::new(
            "the kernel is told not to log them",
            "add `log` to kernel.seccomp.actions_logged: sysctl(8)",
        ));
    }
    if is_off_at_boot(&read("/proc/cmdline")) {
        return Some(Unseen::new(
            "auditing was switched off when the kernel was started (audit=0)",
            "start it without audit=0",
        ));
    }
    in_another_network_namespace().then(|| {
        Unseen::new(
            "audit records go to the initial network namespace only, and this is another one",
            "run sandprint in the host's network namespace",
        )
    })
}

/// The last setting counts (`audit_enable`, kernel/audit.c).
fn is_off_at_boot(command_line: &str) -> bool {
    let mut settings = command_line.split_whitespace().filter_map(|word| word.strip_prefix("audit="));
    matches!(settings.next_back(), Some("0" | "off"))
}

/// The initial PID namespace's inode (`PROC_PID_INIT_INO`, `linux/proc_ns.h`).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Whether PID 1 of the machine has another network namespace than we. Unknown, and so false, where our PID 1 is
/// another process, or may not be looked at.
fn in_another_network_namespace() -> bool {
    let inode = |path| fs::metadata(path).map(|metadata| metadata.ino()).ok();
    inode("/proc/self/ns/pid") == Some(INITIAL_PID_NAMESPACE)
        && matches!(
            (inode("/proc/1/ns/net"), inode("/proc/self/ns/net")),
            (Some(initial), Some(own)) if initial != own
        )
}

/// The kernel's state of auditing, as far as we need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Status {
    /// How many records it has dropped since it was started.
    lost: u32,
    /// How many wait to be handed on.
    backlog: u32,
}

impl Status {
    fn decode(answer: &[u8]) -> Option<Status> {
        // An error instead (NLMSG_ERROR) is of another type.
        (message_type(answer) == Some(AUDIT_GET)).then_some(())?;
        let word = |at: usize| Some(u32::from_ne_bytes(answer.get(at..at + 4)?.try_into().ok()?));
        Some(Status { lost: word(LOST)?, backlog: word(BACKLOG)? })
    }
}

/// Asks for it, where we may (`CAP_AUDIT_CONTROL`).
fn status() -> Option<Status> {
    let socket = open_socket(0).ok()?;
    let length = u32::try_from(HEADER).ok()?;
    let mut request = Vec::with_capacity(HEADER);
    request.extend(length.to_ne_bytes());
    request.extend(AUDIT_GET.to_ne_bytes());
    request.extend(REQUEST.to_ne_bytes());
    request.extend([0; 8]);
    rustix::net::sendto(&socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).ok()?;
    let mut buffer = [0; 1024];
    let [true] = poll::readable([socket.as_fd()], Some(ANSWER)).ok()? else { return None };
    let (_, length) = rustix::net::recv(&socket, buffer.as_mut_slice(), RecvFlags::DONTWAIT).ok()?;
    Status::decode(buffer.get(..length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, text: &str) -> Vec<u8> {
        let mut bytes = u32::try_from(text.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(text.as_bytes());
        bytes
    }

    fn text(code: &str) -> String {
        format!(
            "audit(1.234:5): auid=0 uid=0 gid=0 ses=1 pid=7 comm=\"a\" exe=\"/a\" sig=0 arch=c000003e syscall=83 \
             compat=0 ip=0x10 code={code}"
        )
    }

    #[test]
    fn only_calls_that_ran_and_were_logged_are_taken() {
        let Decoded::Logged(record) = decode(&message(1326, &text("0x7ffc0000"))) else { panic!("none") };
        assert_eq!((record.pid, record.at_ms, record.syscall.nr), (7, Some(1234), 83));
        assert!(matches!(decode(&message(1326, &format!("{}\0", text("0x7ffc0000")))), Decoded::Logged(_)));
        // Refused calls, which are seen elsewhere.
        for code in ["0x50000", "0x30000", "0x0", "0x80000000", "0x7ff00000", "0x7fff0000"] {
            assert_eq!(decode(&message(1326, &text(code))), Decoded::Other, "{code}");
        }
        assert_eq!(decode(&message(1300, &text("0x7ffc0000"))), Decoded::Other);
        assert_eq!(decode(&message(1326, "audit(1.234:5): pid=7")), Decoded::Unreadable);
        for end in 0..HEADER {
            assert_eq!(
                decode(&message(1326, "")[..end]),
                if end < 6 { Decoded::Other } else { Decoded::Unreadable }
            );
        }
    }

    #[test]
    fn what_is_lost_and_what_waits_is_read_from_an_answer_and_from_nothing_else() {
        // mask, enabled, failure, pid, rate_limit, backlog_limit, lost, backlog, as `auditctl -s` shows them.
        let words = [0, 1, 1, 300, 0, 8192, 17, 4_u32];
        let answer = |kind: u16| {
            let mut bytes = message(kind, "");
            bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
            bytes
        };
        assert_eq!(Status::decode(&answer(AUDIT_GET)), Some(Status { lost: 17, backlog: 4 }));
        // NLMSG_ERROR.
        assert_eq!(Status::decode(&answer(2)), None);
        let whole = answer(AUDIT_GET);
        assert_eq!(Status::decode(&whole[..whole.len() - 1]), None);
    }

    #[test]
    fn auditing_that_is_off_is_found_on_the_command_line() {
        for (line, off) in [
            ("", false),
            ("quiet audit=0", true),
            ("audit=off ro", true),
            ("audit=0 audit=1", false),
            ("noaudit=0", false),
        ] {
            assert_eq!(is_off_at_boot(line), off, "{line}");
        }
    }
}
