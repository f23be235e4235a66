//! Which calls carry bytes that may tell names, and where these lie.

use crate::Syscall;

/// What a call receives or sends. The second argument is its address, and the third says how long it is, or how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// Whether it is sent.
    pub sends: bool,
    /// How it lies there.
    pub layout: Layout,
    /// The argument that says where the sender's address comes to lie, if one does.
    pub sender: Option<u8>,
}

/// How bytes lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As they are.
    Buffer,
    /// In parts (`struct iovec`).
    Parts,
    /// In the parts of a message (`struct msghdr`), which has the address of its peer too.
    Message,
    /// In those of several messages (`struct mmsghdr`).
    Messages,
}

/// What a call carries over a descriptor, as far as resolvers and proxies are spoken to by it.
pub fn carried(call: Syscall) -> Option<Carried> {
    let of = |sends, layout| Some(Carried { sends, layout, sender: None });
    match call.name()? {
        "read" | "recv" => of(false, Layout::Buffer),
        "recvfrom" => Some(Carried { sends: false, layout: Layout::Buffer, sender: Some(4) }),
        "readv" => of(false, Layout::Parts),
        "recvmsg" => of(false, Layout::Message),
        "recvmmsg" | "recvmmsg_time64" => of(false, Layout::Messages),
        "write" | "send" | "sendto" => of(true, Layout::Buffer),
        "writev" => of(true, Layout::Parts),
        "sendmsg" => of(true, Layout::Message),
        "sendmmsg" => of(true, Layout::Messages),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Abi;

    #[test]
    fn every_abi_has_them() {
        for abi in Abi::ALL {
            let calls = Syscall::all(abi).filter(|call| carried(*call).is_some());
            let names: Vec<_> = calls.filter_map(Syscall::name).collect();
            for name in
                ["read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg", "sendmmsg"]
            {
                assert!(names.contains(&name), "{abi} {name}");
            }
        }
    }
}
