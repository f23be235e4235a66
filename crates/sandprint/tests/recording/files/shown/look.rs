//! What strace does not show is looked up: where links lead, and what programs are executed with.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;

/// Puts a path together; what goes back over a name that was written is looked up, since that may be a link.
pub(super) fn placed(base: &[u8], text: &[u8]) -> Vec<u8> {
    let base = if text.starts_with(b"/") { b"" } else { base };
    let names =
        text.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")).collect::<Vec<_>>();
    let back = names.iter().take_while(|name| **name == b"..").count();
    let (back, names) = names.split_at(back);
    let mut path = joined(base, &back.join(&b'/'));
    for name in names {
        path = [if path == b"/" { b"" } else { &path[..] }, b"/", name].concat();
    }
    if !names.contains(&&b".."[..]) {
        return path;
    }
    end(&path, names.last() == Some(&&b".."[..])).unwrap_or(path)
}

/// Puts a path together, without looking at links.
fn joined(base: &[u8], text: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    let base = if text.starts_with(b"/") { b"" } else { base };
    for name in base.split(|byte| *byte == b'/').chain(text.split(|byte| *byte == b'/')) {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    [b"/".as_slice(), &names.join(&b'/')].concat()
}

pub(super) fn canonical(path: &[u8]) -> Option<Vec<u8>> {
    fs::canonicalize(OsStr::from_bytes(path)).ok().map(|path| path.as_os_str().as_bytes().to_vec())
}

/// Where links lead from a path: from all of it, or from all but its last name.
pub(super) fn end(path: &[u8], follows: bool) -> Option<Vec<u8>> {
    let (through, mut behind) = if follows { (path, Vec::new()) } else { split(path)? };
    let mut through = through.to_vec();
    if let Some(rest) = through.strip_prefix(b"/dev/fd/") {
        through = [b"/proc/self/fd/", rest].concat();
    }
    // The links of another process are not ours.
    if [b"/dev/stdin".as_slice(), b"/dev/stdout", b"/dev/stderr"].contains(&&through[..]) {
        return None;
    }
    if through.starts_with(b"/proc/self") || through.starts_with(b"/proc/thread-self") {
        return Some([through, behind].concat());
    }
    loop {
        if let Some(found) = canonical(&through) {
            let found = if found == b"/" { Vec::new() } else { found };
            let end = [found, behind].concat();
            return Some(if end.is_empty() { b"/".to_vec() } else { end });
        }
        let (above, name) = split(&through)?;
        behind = [name, behind].concat();
        through = above.to_vec();
    }
}

/// The folder and, with its slash, the name.
fn split(path: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let at = path.iter().rposition(|byte| *byte == b'/')?;
    let (folder, name) = path.split_at(at);
    (name.len() > 1).then(|| (if folder.is_empty() { b"/" } else { folder }, name.to_vec()))
}

fn head(path: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(file) = fs::File::open(OsStr::from_bytes(path)) {
        file.take(4096).read_to_end(&mut head).expect("what can be executed can be read");
    }
    head
}

pub(super) fn script_interpreter(path: &[u8]) -> Option<Vec<u8>> {
    let head = head(path);
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty()).map(<[u8]>::to_vec)
}

/// What the program headers name (`PT_INTERP`, elf(5)): of ELF of 64 bits, in which they lie behind the head.
pub(super) fn loader(path: &[u8]) -> Option<Vec<u8>> {
    let head = head(path);
    let number = |at: usize, size: usize| -> Option<usize> {
        let bytes = head.get(at..at + size)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    if !head.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let (first, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let found = (0..count).map(|nth| first + nth * size).find(|at| number(*at, 4) == Some(3))?;
    let (from, length) = (number(found + 8, 8)?, number(found + 32, 8)?);
    Some(head.get(from..from + length)?.split(|byte| *byte == 0).next()?.to_vec())
}
