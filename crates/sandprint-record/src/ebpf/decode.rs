//! Bytes of BPF maps and events → values. Pure; the layouts are those of `bpf/recorder.h`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

#[cfg(doc)]
use sandprint_model::ArgumentsSeen;
use sandprint_model::{Abi, Arch, ByteString, Syscall};

use super::TargetId;

/// Reads fixed-width fields in declaration order; a short buffer gives `None`.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_ne_bytes(self.bytes(2)?.try_into().ok()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.bytes(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.bytes(8)?.try_into().ok()?))
    }
}

/// Bytes up to the first NUL.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// `struct sp_config`, written once before load.
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each named")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Config {
    pub hash_seed: u64,
    pub pid_ns_dev: u64,
    pub pid_ns: u64,
    pub self_pid: u32,
    pub execve_nr: u32,
    pub page: u32,
    pub follow_children: bool,
    pub x86: bool,
    pub walks: bool,
    pub cgroup: bool,
    pub members: bool,
    pub details: bool,
}

impl Config {
    /// The same with all that can be switched on.
    pub(super) fn with_everything(self) -> Config {
        let Config { hash_seed, pid_ns_dev, pid_ns, self_pid, execve_nr, page, x86, .. } = self;
        Config {
            hash_seed,
            pid_ns_dev,
            pid_ns,
            self_pid,
            execve_nr,
            page,
            x86,
            follow_children: true,
            walks: true,
            cgroup: true,
            members: true,
            details: true,
        }
    }

    /// As `struct sp_config`.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in [self.hash_seed, self.pid_ns_dev, self.pid_ns] {
            bytes.extend_from_slice(&field.to_ne_bytes());
        }
        for field in [self.self_pid, self.execve_nr, self.page] {
            bytes.extend_from_slice(&field.to_ne_bytes());
        }
        let switches = [self.follow_children, self.x86, self.walks, self.cgroup, self.members, self.details];
        bytes.extend_from_slice(&switches.map(u8::from));
        bytes
    }
}

/// `struct sp_control`, written by user space alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Control {
    pub launch_pid: u32,
    pub attaching: bool,
    pub image: u64,
    pub stopped: bool,
    pub exec_from: u64,
}

impl Control {
    /// Its words: each is written at once.
    pub(super) fn words(self) -> [u64; 4] {
        let mut first = [0; 8];
        first[..4].copy_from_slice(&self.launch_pid.to_ne_bytes());
        first[4..].copy_from_slice(&u32::from(self.attaching).to_ne_bytes());
        [u64::from_ne_bytes(first), self.image, self.stopped.into(), self.exec_from]
    }
}

/// `struct sp_state`: what the programs know of the recording as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Tasks followed without task storage now.
    pub by_tid: u64,
    /// Tasks followed now.
    pub live: u64,
    /// Tasks ever followed.
    pub admitted: u64,
    /// Distinct (image, target, ABI, number) seen so far.
    pub calls_seen: u64,
    /// When the last of them was first seen, nanoseconds of `CLOCK_MONOTONIC`; 0 for never.
    pub last_new_ns: u64,
    /// When the launched target's `execve` succeeded, same clock; 0 before.
    pub launched_ns: u64,
    /// Admitted tasks that already had a seccomp filter.
    pub seccomp_active: u64,
    /// Tasks seen with a seccomp filter that they did not have at their admission.
    pub seccomp_installed: u64,
    /// Operations submitted through `io_uring`.
    pub uring_submitted: u64,
    /// Processes followed now.
    pub processes: u64,
    /// Most tasks followed at a time.
    pub most_live: u64,
    /// Most processes followed at a time.
    pub most_processes: u64,
    /// Most pages that one process had mapped.
    pub most_memory: u64,
    /// The highest descriptor that a call gave, and one more.
    pub most_descriptors: u64,
    /// How often somebody came into an empty cgroup of a target, or below one.
    pub populated: u64,
}

impl State {
    pub(super) fn decode(bytes: &[u8]) -> Option<State> {
        let mut fields = Fields(bytes);
        let by_tid = fields.u64()?;
        fields.bytes(7 * 8)?;
        Some(State {
            by_tid,
            live: fields.u64()?,
            admitted: fields.u64()?,
            calls_seen: fields.u64()?,
            last_new_ns: fields.u64()?,
            launched_ns: fields.u64()?,
            seccomp_active: fields.u64()?,
            seccomp_installed: fields.u64()?,
            uring_submitted: fields.u64()?,
            processes: fields.u64()?,
            most_live: fields.u64()?,
            most_processes: fields.u64()?,
            most_memory: fields.u64()?,
            most_descriptors: fields.u64()?,
            populated: fields.u64()?,
        })
    }
}

/// `struct sp_call_key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CallKey {
    pub image: u64,
    pub target: TargetId,
    pub abi: u32,
    pub nr: u32,
}

impl CallKey {
    /// Bytes of `struct sp_call_key`.
    pub(super) const SIZE: usize = 24;

    pub(super) fn decode(bytes: &[u8]) -> Option<CallKey> {
        let mut fields = Fields(bytes);
        let image = fields.u64()?;
        let target = TargetId(fields.u32()?);
        Some(CallKey { image, target, abi: fields.u32()?, nr: fields.u32()? })
    }

    /// The call it names on a kernel of this architecture.
    pub(super) fn syscall(self, arch: Arch) -> Syscall {
        syscall(self.abi, self.nr, arch)
    }
}

/// The call of this number in that ABI (`enum sp_abi`), on a kernel of this architecture.
pub(super) fn syscall(abi: u32, nr: u32, arch: Arch) -> Syscall {
    let abi = match (abi, arch) {
        (1, Arch::X86_64) => Abi::I386,
        (1, Arch::Aarch64) => Abi::Arm,
        (2, Arch::X86_64) => Abi::X32,
        _ => arch.native_abi(),
    };
    Syscall { abi, nr }
}

/// `struct sp_call`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallValue {
    pub count: u64,
    /// Distinct values of its arguments; more than [`ArgumentsSeen::MOST`] where not all are known.
    pub kinds: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`; 0 where the first time was not seen.
    pub first_ns: u64,
    pub tgid: u32,
    pub tid: u32,
    pub comm: ByteString,
}

impl CallValue {
    pub(super) fn decode(bytes: &[u8]) -> Option<CallValue> {
        let mut fields = Fields(bytes);
        Some(CallValue {
            count: fields.u64()?,
            kinds: fields.u64()?,
            first_ns: fields.u64()?,
            tgid: fields.u32()?,
            tid: fields.u32()?,
            comm: ByteString::new(until_nul(fields.bytes(16)?)),
        })
    }
}

/// `struct sp_arguments_key`: a call by the arguments that tell such calls apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ArgumentsKey {
    pub call: CallKey,
    pub args: [u64; 6],
}

impl ArgumentsKey {
    /// Bytes of `struct sp_arguments_key`.
    pub(super) const SIZE: usize = 72;

    pub(super) fn decode(bytes: &[u8]) -> Option<ArgumentsKey> {
        let mut fields = Fields(bytes);
        let image = fields.u64()?;
        let mut args = [0; 6];
        for arg in &mut args {
            *arg = fields.u64()?;
        }
        let target = TargetId(fields.u32()?);
        let call = CallKey { image, target, abi: fields.u32()?, nr: fields.u32()? };
        Some(ArgumentsKey { call, args })
    }
}

/// `struct sp_result_key`: a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResultKey {
    pub call: CallKey,
    pub errno: u16,
    /// Whether a seccomp filter gave it, and the call did not run.
    pub refused: bool,
}

impl ResultKey {
    /// Bytes of `struct sp_result_key`.
    pub(super) const SIZE: usize = 24;

    pub(super) fn decode(bytes: &[u8]) -> Option<ResultKey> {
        let mut fields = Fields(bytes);
        let image = fields.u64()?;
        let target = TargetId(fields.u32()?);
        let call = CallKey { image, target, abi: fields.u32()?, nr: fields.u32()? };
        Some(ResultKey { call, errno: fields.u16()?, refused: fields.u16()? != 0 })
    }
}

/// `struct sp_asked_key`: a question for a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AskedKey {
    /// The call in which it was asked; its number has all bits set where there is none.
    pub call: CallKey,
    pub capability: u8,
    pub granted: bool,
}

impl AskedKey {
    /// Bytes of `struct sp_asked_key`.
    pub(super) const SIZE: usize = 24;

    pub(super) fn decode(bytes: &[u8]) -> Option<AskedKey> {
        let mut fields = Fields(bytes);
        let image = fields.u64()?;
        let target = TargetId(fields.u32()?);
        let call = CallKey { image, target, abi: fields.u32()?, nr: fields.u32()? };
        Some(AskedKey { call, capability: fields.u8()?, granted: fields.u8()? != 0 })
    }

    /// Whether it was asked in a call.
    pub(super) fn is_in_call(&self) -> bool {
        self.call.abi != u32::MAX
    }
}

/// `struct sp_uring_key`: an operation of `io_uring`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UringKey {
    pub image: u64,
    pub target: TargetId,
    pub opcode: u8,
}

impl UringKey {
    /// Bytes of `struct sp_uring_key`.
    pub(super) const SIZE: usize = 16;

    pub(super) fn decode(bytes: &[u8]) -> Option<UringKey> {
        let mut fields = Fields(bytes);
        let (image, target) = (fields.u64()?, TargetId(fields.u32()?));
        Some(UringKey { image, target, opcode: u8::try_from(fields.u32()?).ok()? })
    }
}

/// `struct sp_image`, as far as user space needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageInfo {
    pub ino: u64,
    /// The kernel's `dev_t`: major in the upper 12 bits, minor in the lower 20.
    pub dev: u32,
    pub tgid: u32,
    pub path: ByteString,
    pub script: Option<ByteString>,
    pub cut: bool,
}

/// Bytes kept of a path (`SP_PATH`), and room for one more component (`SP_NAME`).
const PATH: usize = 4096;
const NAME: usize = 256;
/// What is said of a path: it was cut (`SP_PATH_CUT`).
const CUT: u32 = 1;
/// What a walk keeps for itself, before the length: five numbers.
const WALK: usize = 5 * 8;
/// Bytes kept of the path of a script (`SP_SCRIPT`).
const SCRIPT: usize = 1024;

impl ImageInfo {
    pub(super) fn decode(bytes: &[u8]) -> Option<ImageInfo> {
        let mut fields = Fields(bytes);
        let ino = fields.u64()?;
        let _ctime_s = fields.u64()?;
        let _script_hash = fields.u64()?;
        let _ctime_ns = fields.u32()?;
        let dev = fields.u32()?;
        let tgid = fields.u32()?;
        let script_len = fields.u32()?;
        let script = fields.bytes(SCRIPT)?;
        fields.bytes(WALK)?;
        let path_len = fields.u32()?;
        let flags = fields.u32()?;
        let path = fields.bytes(PATH + NAME)?;
        let components = path.get(..usize::try_from(path_len).ok()?.min(path.len()))?;
        Some(ImageInfo {
            ino,
            dev,
            tgid,
            path: path_from_components(components),
            script: (script_len > 0).then(|| ByteString::new(until_nul(script))),
            cut: flags & CUT != 0,
        })
    }
}

/// Turns `ls\0bin\0usr\0` into `/usr/bin/ls`; nothing gives an empty path.
pub(super) fn path_from_components(leaf_first: &[u8]) -> ByteString {
    let mut path = Vec::with_capacity(leaf_first.len() + 1);
    let components = leaf_first.split(|byte| *byte == 0).rev();
    for component in components.filter(|component| !component.is_empty() && *component != b"/") {
        path.push(b'/');
        path.extend_from_slice(component);
    }
    ByteString::new(path)
}

/// `struct sp_component_key`: a component of a path below the node with this number. The kernel has no longer names.
pub(super) fn component_key(above: u32, name: &OsStr) -> Vec<u8> {
    let mut bytes = above.to_ne_bytes().to_vec();
    bytes.extend_from_slice(name.as_bytes());
    bytes.resize(4 + NAME, 0);
    bytes
}

/// `struct sp_event`: a hint to look at a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An image ran for the first time; its id, and the process that ran it.
    Image {
        /// The image's id in the maps.
        id: u64,
        /// The process, in the initial PID namespace.
        tgid: u32,
    },
    /// The last followed task ended.
    Empty,
}

impl Event {
    pub(super) fn decode(bytes: &[u8]) -> Option<Event> {
        let mut fields = Fields(bytes);
        let (kind, tgid, image) = (fields.u32()?, fields.u32()?, fields.u64()?);
        match kind {
            2 => Some(Event::Image { id: image, tgid }),
            3 => Some(Event::Empty),
            _ => None,
        }
    }
}

/// `struct sp_live`: a live task's own count of one native call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Live {
    pub image: u64,
    pub count: u64,
    pub target: TargetId,
    pub nr: u32,
}

impl Live {
    /// Bytes of `struct sp_live`.
    pub(super) const SIZE: usize = 24;

    pub(super) fn decode(bytes: &[u8]) -> Option<Live> {
        let mut fields = Fields(bytes);
        let (image, count, target) = (fields.u64()?, fields.u64()?, TargetId(fields.u32()?));
        Some(Live { image, count, target, nr: fields.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_become_a_path() {
        for (components, path) in
            [(&b""[..], ""), (b"ls\0bin\0usr\0", "/usr/bin/ls"), (b"a\0", "/a"), (b"memfd:x\0", "/memfd:x")]
        {
            assert_eq!(path_from_components(components), ByteString::from(path));
        }
    }

    #[test]
    fn short_buffers_give_nothing_and_never_panic() {
        for length in 0..80 {
            let bytes = vec![0xff; length];
            assert_eq!(CallKey::decode(&bytes).is_some(), length >= 20);
            assert_eq!(CallValue::decode(&bytes).is_some(), length >= 48);
            assert_eq!(ArgumentsKey::decode(&bytes).is_some(), length >= 68);
            assert_eq!(ResultKey::decode(&bytes).is_some(), length >= 24);
            assert_eq!(Live::decode(&bytes).is_some(), length >= 24);
            assert_eq!(ImageInfo::decode(&bytes), None);
            assert_eq!(State::decode(&bytes), None);
            assert_eq!(Event::decode(&bytes), None);
        }
    }

    #[test]
    fn a_path_length_beyond_the_buffer_is_cut() {
        let mut bytes = vec![0_u8; 48 + SCRIPT + WALK + PATH + NAME];
        let path = 40 + SCRIPT + WALK;
        bytes[path..path + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
        bytes[path + 8..path + 11].copy_from_slice(b"ls\0");
        assert_eq!(ImageInfo::decode(&bytes).unwrap().path, ByteString::from("/ls"));
    }

    #[test]
    fn the_abi_is_part_of_the_call() {
        let key = |abi| CallKey { image: 0, target: TargetId::FIRST, abi, nr: 4 };
        for (abi, arch, expected) in [
            (0, Arch::X86_64, Abi::X86_64),
            (1, Arch::X86_64, Abi::I386),
            (2, Arch::X86_64, Abi::X32),
            (0, Arch::Aarch64, Abi::Aarch64),
            (1, Arch::Aarch64, Abi::Arm),
        ] {
            assert_eq!(key(abi).syscall(arch), Syscall { abi: expected, nr: 4 });
        }
    }
}
