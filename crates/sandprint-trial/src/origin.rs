//! Who made a call, and from which code: what /proc says of a task while its call waits for an answer.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sandprint_model::{Ancestor, ByteString, Code, Location};
use sandprint_sandbox::process::{self, Status};

use crate::symbols::Symbols;

/// Deepest tree that is followed up.
const DEEPEST: usize = 64;
/// Most files whose symbols are kept.
const MOST_FILES: usize = 256;

/// Who made a call.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Its process.
    pub(crate) tgid: u32,
    pub(crate) image: ByteString,
    pub(crate) ancestry: Vec<Ancestor>,
    pub(crate) location: Result<Location, String>,
}

/// Looks tasks up. Symbol tables are read once.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    symbols: BTreeMap<(u64, u64), Symbols>,
}

impl Origins {
    /// Who `tid` is; `first` is the first process of the trial. `after` is the address behind the call's instruction.
    pub(crate) fn look(&mut self, tid: u32, first: u32, after: u64) -> Origin {
        let process = Status::of(tid).and_then(|status| status.tgid()).unwrap_or(tid);
        let exe = fs::read_link(format!("/proc/{process}/exe")).unwrap_or_default();
        Origin {
            tgid: process,
            image: ByteString::new(exe.into_os_string().into_vec()),
            ancestry: ancestry(process, first),
            location: self.location(tid, after),
        }
    }

    fn location(&mut self, tid: u32, after: u64) -> Result<Location, String> {
        let maps = fs::read(format!("/proc/{tid}/maps"))
            .map_err(|error| format!("the memory map of the process could not be read ({error})"))?;
        // The instruction may be the last of its mapping.
        let at = after.saturating_sub(1);
        let mapping =
            maps.split(|byte| *byte == b'\n').filter_map(Mapping::parse).find(|mapping| mapping.holds(at));
        let mapping = mapping.ok_or("the address is in no mapping")?;
        if mapping.path.is_empty() {
            return Err(
                "it is in memory that no file was mapped to: code that was made at run time".to_owned()
            );
        }
        let offset = at - mapping.start + mapping.offset + 1;
        let function = self.symbols_of(tid, &mapping).and_then(|symbols| symbols.at(offset - 1));
        let function = function.map(str::to_owned);
        let code = Code { module: ByteString::new(mapping.path), inode: mapping.inode, offset };
        Ok(code.within(function))
    }

    fn symbols_of(&mut self, tid: u32, mapping: &Mapping) -> Option<&Symbols> {
        let path = Path::new(OsStr::from_bytes(&mapping.path));
        self.symbols_at(&in_root_of(tid, path)?, mapping.inode)
    }

    /// The function at an offset behind a call's instruction, in a file as its process sees the path. The process may
    /// have ended (`None`), and then the file is looked for in our own root.
    pub(crate) fn function(&mut self, tgid: Option<u32>, code: &Code) -> Option<String> {
        let path = Path::new(OsStr::from_bytes(code.module.as_bytes()));
        let places = tgid.and_then(|tgid| in_root_of(tgid, path)).into_iter().chain([path.to_owned()]);
        for place in places.filter(|place| place.is_absolute()) {
            if let Some(symbols) = self.symbols_at(&place, code.inode) {
                return symbols.at(code.offset.checked_sub(1)?).map(str::to_owned);
            }
        }
        None
    }

    fn symbols_at(&mut self, path: &Path, inode: u64) -> Option<&Symbols> {
        // Another program chose what is there: a pipe must not make us wait.
        let file =
            File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
        let metadata = file.metadata().ok()?;
        // What is at the path now may be another file than the one that is mapped.
        if metadata.ino() != inode || !metadata.is_file() {
            return None;
        }
        let key = (metadata.dev(), metadata.ino());
        if self.symbols.len() >= MOST_FILES && !self.symbols.contains_key(&key) {
            self.symbols.clear();
        }
        Some(self.symbols.entry(key).or_insert_with(|| Symbols::read(&file)))
    }
}

/// A path of a process, as we reach it.
fn in_root_of(pid: u32, path: &Path) -> Option<PathBuf> {
    Some(Path::new(&format!("/proc/{pid}/root")).join(path.strip_prefix("/").ok()?))
}

/// A line of `/proc/PID/maps` (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    inode: u64,
    path: Vec<u8>,
}

impl Mapping {
    fn parse(line: &[u8]) -> Option<Mapping> {
        let mut fields = line.splitn(6, |byte| *byte == b' ');
        let mut next = || fields.next().and_then(|field| std::str::from_utf8(field).ok());
        let (start, end) = next()?.split_once('-')?;
        let _permissions = next()?;
        let offset = u64::from_str_radix(next()?, 16).ok()?;
        let _device = next()?;
        let inode = next()?.parse().ok()?;
        let path = fields.next().unwrap_or_default().trim_ascii_start().to_vec();
        let hexadecimal = |digits| u64::from_str_radix(digits, 16).ok();
        Some(Mapping { start: hexadecimal(start)?, end: hexadecimal(end)?, offset, inode, path })
    }

    fn holds(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }
}

fn ancestry(tgid: u32, first: u32) -> Vec<Ancestor> {
    let mut chain = Vec::new();
    let mut pid = tgid;
    while pid > 1 && chain.len() < DEEPEST {
        chain.push(Ancestor { host_tgid: None, tgid: Some(pid), comm: process::comm(pid) });
        if pid == first {
            break;
        }
        let Some(parent) = process::parent(pid) else { break };
        pid = parent;
    }
    // An orphan's parent is none of the trial: what is above it says nothing.
    if chain.last().is_some_and(|last| last.tgid != Some(first)) {
        chain.truncate(1);
    }
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_memory_map_are_read() {
        let line = b"7f1c8e000000-7f1c8e022000 r-xp 00026000 fd:01 1835 /usr/lib/a b.so";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!(
            (mapping.start, mapping.offset, mapping.inode, mapping.path.as_slice()),
            (0x7f1c_8e00_0000, 0x26000, 1835, &b"/usr/lib/a b.so"[..])
        );
        let anonymous = Mapping::parse(b"7ffd1000-7ffd3000 rw-p 00000000 00:00 0 ").unwrap();
        assert_eq!(anonymous.path, b"");
        assert_eq!(Mapping::parse(b"nonsense"), None);
    }

    #[test]
    fn this_process_and_its_code_are_found() {
        let pid = std::process::id();
        let origin = Origins::default().look(pid, pid, (ancestry as *const () as u64) + 8);
        assert_eq!((origin.tgid, origin.ancestry.len()), (pid, 1));
        let location = origin.location.unwrap();
        assert!(location.function.as_deref().unwrap_or_default().contains("ancestry"), "{location:?}");
        assert!(origin.image.as_bytes().ends_with(location.code.module.as_bytes()));
        let nowhere = Origins::default().look(pid, pid, 16).location;
        assert!(nowhere.unwrap_err().contains("no mapping"));
    }
}
