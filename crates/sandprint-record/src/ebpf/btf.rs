//! The kernel's types, as few of them as our programs need.
//!
//! libbpf looks for each type that a program reads among all types of the kernel, from the first to the last, and there
//! are a hundred thousand: that took more time than all else that a recording of `true` does. Given BTF (the kernel's
//! Documentation/bpf/btf.rst) that has these types alone, and what they hold, it finds the same ones at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;

use object::{Object as _, ObjectSection as _};
use rustix::fs::MemfdFlags;

use super::sys::KernelTypes;

const MAGIC: u16 = 0xeb9f;
const HEADER: usize = 24;
/// `struct btf_type`.
const TYPE: usize = 12;

const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC_PROTO: u32 = 13;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// A file in memory with the types that the programs of an object need.
#[derive(Debug)]
pub(super) struct Types(OwnedFd);

impl Types {
    /// Picks them out of the kernel's; `None` where that cannot be, and libbpf has to look through all of them.
    pub(super) fn of(object: &[u8]) -> Option<Types> {
        let wanted = names(section(object)?)?;
        let kernel = KernelTypes::get().ok()?;
        in_memory(&shorten(kernel.bytes(), &wanted)?).ok().map(Types)
    }

    /// Its path, for as long as it lives.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let make = |flags| rustix::fs::memfd_create("sandprint-types", MemfdFlags::CLOEXEC | flags);
    // Since 6.3; the kernel's log has a warning of who sets neither this nor its contrary.
    let memory = make(MemfdFlags::NOEXEC_SEAL).or_else(|_old| make(MemfdFlags::empty()))?;
    let mut file = std::fs::File::from(memory);
    file.write_all(bytes)?;
    Ok(file.into())
}

/// The section of a BPF object that holds its own types.
fn section(elf: &[u8]) -> Option<&[u8]> {
    object::File::parse(elf).ok()?.section_by_name(".BTF")?.data().ok()
}

/// The types and strings of BTF.
#[derive(Debug, Clone, Copy)]
struct Btf<'b> {
    types: &'b [u8],
    strings: &'b [u8],
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn size(word: u32) -> Option<usize> {
    usize::try_from(word).ok()
}

/// A type: what `struct btf_type` says of it.
#[derive(Debug, Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    kind: u32,
    /// How many members, values or parameters follow.
    count: usize,
}

impl Type {
    /// Bytes that follow `struct btf_type`.
    fn more(&self) -> Option<usize> {
        let each = match self.kind {
            1 | 14 | 17 => return Some(4),
            ARRAY => return Some(12),
            STRUCT | UNION | 15 | ENUM64 => 12,
            ENUM | FUNC_PROTO => 8,
            // Whoever defines a new kind may have put anything behind it.
            20.. => return None,
            _ => 0,
        };
        Some(each * self.count)
    }

    /// Whether it is one that a program may ask for by name.
    fn is_root(&self) -> bool {
        matches!(self.kind, STRUCT | UNION | ENUM | ENUM64 | TYPEDEF) && self.name != 0
    }
}

impl<'b> Btf<'b> {
    fn parse(bytes: &'b [u8]) -> Option<Btf<'b>> {
        let magic = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
        if magic != MAGIC || bytes.get(2) != Some(&1) {
            return None;
        }
        let field = |at| word(bytes, at).and_then(size);
        let body = bytes.get(field(4)?..)?;
        let part = |offset: usize, length: usize| body.get(offset..offset.checked_add(length)?);
        Some(Btf { types: part(field(8)?, field(12)?)?, strings: part(field(16)?, field(20)?)? })
    }

    fn string(&self, offset: u32) -> Option<&'b [u8]> {
        let from = self.strings.get(size(offset)?..)?;
        Some(CStr::from_bytes_until_nul(from).ok()?.to_bytes())
    }

    fn type_at(&self, at: usize) -> Option<Type> {
        let [n0, n1, n2, n3, i0, i1, i2, i3] = *self.types.get(at..)?.first_chunk()?;
        let info = u32::from_ne_bytes([i0, i1, i2, i3]);
        Some(Type {
            at,
            name: u32::from_ne_bytes([n0, n1, n2, n3]),
            kind: (info >> 24) & 0x1f,
            count: size(info & 0xffff)?,
        })
    }

    /// Where each type is, by its number less 1. `see` is given all of them in turn.
    fn walk(&self, mut see: impl FnMut(&Type) -> Option<()>) -> Option<Vec<u32>> {
        let mut places = Vec::with_capacity(self.types.len() / 24);
        let mut at = 0;
        while at < self.types.len() {
            let next = self.type_at(at)?;
            see(&next)?;
            places.push(u32::try_from(at).ok()?);
            at += TYPE + next.more()?;
        }
        (at == self.types.len()).then_some(places)
    }
}

/// Where in a type other types are named, behind `at`; the target of a pointer is of no concern.
fn references(found: &Type) -> Vec<usize> {
    match found.kind {
        ARRAY => vec![TYPE, TYPE + 4],
        STRUCT | UNION => (0..found.count).map(|member| TYPE + 12 * member + 4).collect(),
        TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => vec![8],
        _ => Vec::new(),
    }
}

/// Where in a type names are, behind `at`.
fn names_in(found: &Type) -> Vec<usize> {
    let each = match found.kind {
        STRUCT | UNION | ENUM64 => 12,
        ENUM => 8,
        _ => return vec![0],
    };
    std::iter::once(0).chain((0..found.count).map(|member| TYPE + each * member)).collect()
}

/// A type's name without what is behind the last `___`, by which C tells versions of a type apart
/// (`bpf_core_essential_name_len`).
fn essential(name: &[u8]) -> &[u8] {
    let is_end = |at: usize| matches!(name.get(at..at + 5), Some([a, b'_', b'_', b'_', b]) if *a != b'_' && *b != b'_');
    let end = (0..name.len().saturating_sub(4)).rev().find(|at| is_end(*at));
    end.and_then(|end| name.get(..=end)).unwrap_or(name)
}

/// The names of the types of an object.
fn names(object: &[u8]) -> Option<BTreeSet<Vec<u8>>> {
    let btf = Btf::parse(object)?;
    let mut names = BTreeSet::new();
    btf.walk(|found| {
        if found.is_root() {
            names.insert(essential(btf.string(found.name)?).to_vec());
        }
        Some(())
    })?;
    Some(names)
}

/// A set of names that tells most others apart by their first letters and their lengths.
struct Wanted<'n> {
    names: &'n BTreeSet<Vec<u8>>,
    lengths: BTreeSet<usize>,
    firsts: BTreeSet<u8>,
}

impl Wanted<'_> {
    fn new(names: &BTreeSet<Vec<u8>>) -> Wanted<'_> {
        let firsts = names.iter().filter_map(|name| name.first().copied()).collect();
        Wanted { names, lengths: names.iter().map(Vec::len).collect(), firsts }
    }

    fn has(&self, name: &[u8]) -> bool {
        if !name.first().is_some_and(|first| self.firsts.contains(first)) {
            return false;
        }
        let name = essential(name);
        self.lengths.contains(&name.len()) && self.names.contains(name)
    }
}

/// BTF with the types of these names, and what they hold.
fn shorten(kernel: &[u8], wanted: &BTreeSet<Vec<u8>>) -> Option<Vec<u8>> {
    let btf = Btf::parse(kernel)?;
    let wanted = Wanted::new(wanted);
    let mut pending: Vec<u32> = Vec::new();
    let mut id = 0;
    let places = btf.walk(|found| {
        id += 1;
        if found.is_root() && wanted.has(btf.string(found.name)?) {
            pending.push(id);
        }
        Some(())
    })?;
    let get = |id: u32| btf.type_at(size(*places.get(size(id)?.checked_sub(1)?)?)?);
    let mut taken = BTreeSet::new();
    while let Some(id) = pending.pop() {
        let Some(found) = get(id).filter(|found| found.kind != FUNC_PROTO) else { continue };
        if taken.insert(id) {
            for reference in references(&found) {
                pending.push(word(btf.types, found.at + reference)?);
            }
        }
    }
    let new_id: BTreeMap<u32, u32> = taken.iter().copied().zip(1..).collect();
    let mut types = Vec::new();
    let mut strings = vec![0];
    let mut new_name: BTreeMap<u32, u32> = BTreeMap::from([(0, 0)]);
    for id in &taken {
        let found = get(*id)?;
        let begin = types.len();
        types.extend_from_slice(btf.types.get(found.at..found.at + TYPE + found.more()?)?);
        let mut put = |at: usize, value: u32| {
            let slot = types.get_mut(begin + at..begin + at + 4)?;
            slot.copy_from_slice(&value.to_ne_bytes());
            Some(())
        };
        for reference in references(&found) {
            let old = word(btf.types, found.at + reference)?;
            // What was not taken is void, as it was.
            put(reference, new_id.get(&old).copied().unwrap_or(0))?;
        }
        if found.kind == PTR {
            put(8, 0)?;
        }
        for name in names_in(&found) {
            let old = word(btf.types, found.at + name)?;
            let new = if let Some(new) = new_name.get(&old) {
                *new
            } else {
                let new = u32::try_from(strings.len()).ok()?;
                strings.extend_from_slice(btf.string(old)?);
                strings.push(0);
                new_name.insert(old, new);
                new
            };
            put(name, new)?;
        }
    }
    write(&types, &strings)
}

/// BTF of these types and strings.
fn write(types: &[u8], strings: &[u8]) -> Option<Vec<u8>> {
    let length = |part: &[u8]| u32::try_from(part.len()).ok();
    let mut btf = Vec::with_capacity(HEADER + types.len() + strings.len());
    btf.extend_from_slice(&MAGIC.to_ne_bytes());
    // The version, and no flags.
    btf.extend_from_slice(&[1, 0]);
    for field in [u32::try_from(HEADER).ok()?, 0, length(types)?, length(types)?, length(strings)?] {
        btf.extend_from_slice(&field.to_ne_bytes());
    }
    btf.extend_from_slice(types);
    btf.extend_from_slice(strings);
    Some(btf)
}

#[cfg(test)]
mod tests;
