//! Bytes of the watcher's maps → values. Pure; the layouts are those of `bpf/watcher.h`.

use sandprint_model::{Ancestor, Arch, ByteString, Call};

use crate::ebpf::decode::{Fields, path_from_components, syscall, until_nul};
use crate::refused::{FilterId, Outcome};

/// `struct sp_refused_key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// When the process was started, nanoseconds since the machine was.
    pub started: u64,
    pub ip: u64,
    pub tgid: u32,
    /// In this ABI (`enum sp_abi`).
    pub nr: u32,
    pub abi: u32,
    pub outcome: u32,
}

impl Key {
    /// Bytes of `struct sp_refused_key`.
    pub(super) const BYTES: usize = 96;

    pub(super) fn decode(bytes: &[u8]) -> Option<Key> {
        let mut fields = Fields(bytes);
        let (started, ip) = (fields.u64()?, fields.u64()?);
        let _filter_and_ret = fields.bytes(2 * 8)?;
        let _selected = fields.bytes(6 * 8)?;
        let (tgid, nr, abi, outcome) = (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
        Some(Key { started, ip, tgid, nr, abi, outcome })
    }

    /// The key of its process in the processes map (`struct sp_process_key`).
    pub(super) fn process(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.started.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.tgid.to_ne_bytes());
        bytes
    }
}

/// Most filters and ancestors that are listed (`SP_FILTERS`, `SP_PARENTS`), and bytes of a cgroup's path.
const FILTERS: usize = 16;
const PARENTS: usize = 16;
const CGROUP: usize = 512 + 256;

/// `struct sp_refused`, once it is written whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub count: u64,
    pub first_ns: u64,
    pub last_ns: u64,
    pub args: [u64; 6],
    pub ret: i64,
    pub image: u64,
    pub module: u64,
    pub module_inode: u64,
    pub offset: u64,
    pub filters: Vec<FilterId>,
    pub traced: bool,
    pub supervised: bool,
    pub more_filters: bool,
    pub code_error: i32,
    pub tid: u32,
    pub our_tgid: u32,
    pub comm: ByteString,
    /// The nearest to PID 1 first.
    pub ancestry: Vec<Ancestor>,
    pub cgroup: ByteString,
}

impl Value {
    /// None for one that is not written whole yet.
    pub(super) fn decode(bytes: &[u8]) -> Option<Value> {
        let mut fields = Fields(bytes);
        let (count, first_ns, last_ns) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let mut args = [0; 6];
        for argument in &mut args {
            *argument = fields.u64()?;
        }
        let _ip = fields.u64()?;
        let ret = fields.u64()?.cast_signed();
        let (image, module, module_inode, offset) =
            (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
        let mut filters = Vec::with_capacity(FILTERS);
        for _ in 0..FILTERS {
            filters.push(FilterId(fields.u64()?));
        }
        let flags = fields.u32()?;
        let code_error = fields.u32()?.cast_signed();
        let (tid, our_tgid) = (fields.u32()?, fields.u32()?);
        let (filter_count, ancestor_count) = (fields.u32()?, fields.u32()?);
        let cgroup_len = fields.u32()?;
        let _pad = fields.u32()?;
        let comm = ByteString::new(until_nul(fields.bytes(16)?));
        let mut ancestry = Vec::with_capacity(PARENTS);
        for _ in 0..PARENTS {
            let (host_tgid, our_tgid) = (fields.u32()?, fields.u32()?);
            let comm = ByteString::new(until_nul(fields.bytes(16)?));
            ancestry.push(Ancestor {
                host_tgid: Some(host_tgid),
                tgid: (our_tgid > 0).then_some(our_tgid),
                comm,
            });
        }
        let cgroup = fields.bytes(CGROUP)?;
        let is = |flag| flags & flag != 0;
        if !is(1) {
            return None;
        }
        filters.truncate(usize::try_from(filter_count).ok()?);
        ancestry.truncate(usize::try_from(ancestor_count).ok()?);
        ancestry.reverse();
        let cgroup = path_from_components(cgroup.get(..usize::try_from(cgroup_len).ok()?)?);
        Some(Value {
            count,
            first_ns,
            last_ns,
            args,
            ret,
            image,
            module,
            module_inode,
            offset,
            filters,
            traced: is(2),
            supervised: is(4),
            more_filters: is(8),
            code_error,
            tid,
            our_tgid,
            comm,
            ancestry,
            cgroup: if cgroup.as_bytes().is_empty() { ByteString::from("/") } else { cgroup },
        })
    }
}

/// What came of a call, from `enum sp_outcome`.
pub(super) fn outcome(key: &Key, value: &Value) -> Option<Outcome> {
    match key.outcome {
        1 => Some(Outcome::Returned(value.ret)),
        2 => Some(Outcome::Trapped),
        3 => Some(Outcome::KilledProcess),
        4 => Some(Outcome::KilledThread),
        _ => None,
    }
}

/// The call itself.
pub(super) fn call(key: &Key, value: &Value, arch: Arch) -> Call {
    Call { syscall: syscall(key.abi, key.nr, arch), args: value.args }
}

/// A part of a filter (`struct sp_code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'b> {
    pub id: FilterId,
    /// Of the whole filter.
    pub bytes: usize,
    pub index: usize,
    pub data: &'b [u8],
}

impl<'b> Part<'b> {
    /// Bytes of a part that is not the last (`SP_CODE_PART`).
    pub(super) const BYTES: usize = 4096;

    pub(super) fn decode(bytes: &'b [u8]) -> Option<Part<'b>> {
        let mut fields = Fields(bytes);
        let id = FilterId(fields.u64()?);
        let whole = usize::try_from(fields.u32()?).ok()?;
        let part = usize::try_from(fields.u32()?).ok()?;
        let left = whole.checked_sub(part.checked_mul(Part::BYTES)?)?;
        Some(Part { id, bytes: whole, index: part, data: fields.bytes(left.min(Part::BYTES))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_buffers_give_nothing_and_never_panic() {
        for length in 0..1400 {
            let bytes = vec![0xff; length];
            assert_eq!(Key::decode(&bytes).is_some(), length >= Key::BYTES);
            assert_eq!(Value::decode(&bytes), None);
            assert_eq!(Part::decode(&bytes), None);
        }
    }

    #[test]
    fn a_value_is_nothing_until_it_is_ready() {
        let size = 15 * 8 + FILTERS * 8 + 8 * 4 + 16 + PARENTS * 24 + CGROUP;
        let mut bytes = vec![0; size];
        assert_eq!(Value::decode(&bytes), None);
        bytes[15 * 8 + FILTERS * 8] = 1;
        let value = Value::decode(&bytes).unwrap();
        assert_eq!((value.filters.len(), value.ancestry.len()), (0, 0));
        assert_eq!(value.cgroup, ByteString::from("/"));
    }

    #[test]
    fn the_last_part_of_a_filter_is_as_long_as_what_is_left() {
        let mut bytes = vec![7_u8; 16 + Part::BYTES];
        bytes[8..12].copy_from_slice(&4104_u32.to_ne_bytes());
        bytes[12..16].copy_from_slice(&1_u32.to_ne_bytes());
        assert_eq!(Part::decode(&bytes).unwrap().data, [7; 8]);
        bytes[12..16].copy_from_slice(&2_u32.to_ne_bytes());
        assert_eq!(Part::decode(&bytes), None);
    }
}
