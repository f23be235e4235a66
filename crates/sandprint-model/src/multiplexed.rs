//! The calls of i386 that stand for others, which their first argument names (linux/net.h, linux/ipc.h).

/// The call that stands for those of sockets.
const SOCKETCALL: &str = "socketcall";
/// The call that stands for those of System V IPC.
const IPC: &str = "ipc";

/// The calls that stand for others.
pub const MULTIPLEXERS: [&str; 2] = [SOCKETCALL, IPC];

/// A call that another one stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubCall {
    /// Its own name.
    pub name: &'static str,
    /// The call that stands for it.
    pub multiplexer: &'static str,
    /// The first argument of that.
    pub number: u64,
}

const fn sub_call(name: &'static str, multiplexer: &'static str, number: u64) -> SubCall {
    SubCall { name, multiplexer, number }
}

/// All of them.
pub const SUB_CALLS: [SubCall; 32] = [
    sub_call("socket", SOCKETCALL, 1),
    sub_call("bind", SOCKETCALL, 2),
    sub_call("connect", SOCKETCALL, 3),
    sub_call("listen", SOCKETCALL, 4),
    sub_call("accept", SOCKETCALL, 5),
    sub_call("getsockname", SOCKETCALL, 6),
    sub_call("getpeername", SOCKETCALL, 7),
    sub_call("socketpair", SOCKETCALL, 8),
    sub_call("send", SOCKETCALL, 9),
    sub_call("recv", SOCKETCALL, 10),
    sub_call("sendto", SOCKETCALL, 11),
    sub_call("recvfrom", SOCKETCALL, 12),
    sub_call("shutdown", SOCKETCALL, 13),
    sub_call("setsockopt", SOCKETCALL, 14),
    sub_call("getsockopt", SOCKETCALL, 15),
    sub_call("sendmsg", SOCKETCALL, 16),
    sub_call("recvmsg", SOCKETCALL, 17),
    sub_call("accept4", SOCKETCALL, 18),
    sub_call("recvmmsg", SOCKETCALL, 19),
    sub_call("sendmmsg", SOCKETCALL, 20),
    sub_call("semop", IPC, 1),
    sub_call("semget", IPC, 2),
    sub_call("semctl", IPC, 3),
    sub_call("semtimedop", IPC, 4),
    sub_call("msgsnd", IPC, 11),
    sub_call("msgrcv", IPC, 12),
    sub_call("msgget", IPC, 13),
    sub_call("msgctl", IPC, 14),
    sub_call("shmat", IPC, 21),
    sub_call("shmdt", IPC, 22),
    sub_call("shmget", IPC, 23),
    sub_call("shmctl", IPC, 24),
];

impl SubCall {
    /// The one of that name.
    pub fn named(name: &str) -> Option<SubCall> {
        SUB_CALLS.into_iter().find(|sub_call| sub_call.name == name)
    }

    /// The one that a multiplexer means by its first argument.
    pub fn of(multiplexer: &str, number: u64) -> Option<SubCall> {
        let is_it = |sub_call: &SubCall| (sub_call.multiplexer, sub_call.number) == (multiplexer, number);
        SUB_CALLS.into_iter().find(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Abi, Syscall};

    #[test]
    fn every_number_means_one_call_and_every_call_is_known() {
        for sub_call in SUB_CALLS {
            assert_eq!(SubCall::named(sub_call.name), Some(sub_call));
            assert_eq!(SubCall::of(sub_call.multiplexer, sub_call.number), Some(sub_call));
            assert!(MULTIPLEXERS.contains(&sub_call.multiplexer));
            // Some have no number of their own on i386, and all have one where there is no multiplexer.
            let is_known = |abi| Syscall::from_name(abi, sub_call.name).is_some();
            assert!(is_known(Abi::X86_64) || is_known(Abi::Arm), "{}", sub_call.name);
        }
        assert_eq!(SubCall::of("socketcall", 21), None);
    }
}
