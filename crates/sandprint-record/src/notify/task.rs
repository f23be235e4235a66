//! What /proc says of a task whose call waits for its answer.
//!
//! The workload may be what serves a file system (FUSE), and it waits: so nothing here asks a file system anything.
//! Links of /proc are followed without a look-up, and attributes are taken as the kernel remembers them.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use sandprint_model::{Abi, ByteString, Syscall};

/// Most bytes read of a path or of a command's words.
const MOST: usize = 4096;

/// Which process a thread is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Belongs {
    pub(super) tgid: u32,
    pub(super) parent: u32,
}

/// Reads that; `None` where the thread is gone, or /proc hides it.
pub(super) fn belongs(tid: u32) -> Option<Belongs> {
    let status = fs::read(format!("/proc/{tid}/status")).ok()?;
    Some(Belongs { tgid: field(&status, b"Tgid:")?, parent: field(&status, b"PPid:")? })
}

/// Whether a process may not gain privileges, and whether it has a seccomp filter.
pub(super) fn restrictions(pid: u32) -> Option<(bool, bool)> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    Some((field(&status, b"NoNewPrivs:")? == 1, field(&status, b"Seccomp:")? != 0))
}

/// A number of /proc/PID/status. The name in its first line has its line ends escaped.
fn field(status: &[u8], name: &[u8]) -> Option<u32> {
    let value = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(name))?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// A thread's name.
pub(super) fn comm(tid: u32) -> ByteString {
    let mut name = fs::read(format!("/proc/{tid}/comm")).unwrap_or_default();
    name.truncate(name.len().saturating_sub(1));
    ByteString::new(name)
}

/// What makes two executables the same image, as the BPF recorder has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    device: (u32, u32),
    ino: u64,
    changed: (i64, u32),
    script: Option<Vec<u8>>,
}

/// What a task runs.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) identity: Identity,
    /// As the task sees it.
    pub(super) path: ByteString,
    pub(super) script: Option<ByteString>,
    /// The bits of its mode.
    pub(super) mode: u16,
    /// The file itself, opened for nothing (`O_PATH`).
    pub(super) file: OwnedFd,
}

/// What the thread runs; `None` where it is gone, or where we may not know.
pub(super) fn program(tid: u32) -> Option<Program> {
    let link = format!("/proc/{tid}/exe");
    let file = rustix::fs::open(&link, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let status = rustix::fs::statx(&file, c"", flags, StatxFlags::BASIC_STATS).ok()?;
    let mut path = fs::read_link(&link).ok()?.into_os_string().into_vec();
    if status.stx_nlink == 0
        && let Some(length) = path.strip_suffix(b" (deleted)").map(<[u8]>::len)
    {
        path.truncate(length);
    }
    let root = fs::read_link(format!("/proc/{tid}/root"))
        .map_or(Vec::new(), |root| root.into_os_string().into_vec());
    if let Some(inside) =
        path.strip_prefix(root.as_slice()).filter(|path| root.len() > 1 && path.starts_with(b"/"))
    {
        path = inside.to_vec();
    }
    let script = script(tid);
    let identity = Identity {
        device: (status.stx_dev_major, status.stx_dev_minor),
        ino: status.stx_ino,
        changed: (status.stx_ctime.tv_sec, status.stx_ctime.tv_nsec),
        script: script.clone(),
    };
    Some(Program {
        identity,
        path: ByteString::new(path),
        script: script.map(ByteString::new),
        mode: status.stx_mode,
        file,
    })
}

/// For a `#!` script, the path that execve was given.
///
/// The kernel leaves that path in the new program's memory (`AT_EXECFN`). A script's interpreter is run with the path
/// among its arguments, after the interpreter's own, which has a slash; whoever executes a program directly gives it
/// any name.
fn script(tid: u32) -> Option<Vec<u8>> {
    let auxv = head(&format!("/proc/{tid}/auxv"))?;
    let mut path = vec![0; MOST];
    let memory = File::open(format!("/proc/{tid}/mem")).ok()?;
    let length = memory.read_at(&mut path, executed_at(&auxv)?).ok()?;
    path.truncate(length);
    let path = path.split(|&byte| byte == 0).next()?;
    let words = head(&format!("/proc/{tid}/cmdline"))?;
    is_script(path, &words).then(|| path.to_vec())
}

/// Whether a program that was executed by `path`, and has these words, is the interpreter of a script.
fn is_script(path: &[u8], words: &[u8]) -> bool {
    let mut words = words.split(|&byte| byte == 0);
    let interpreter = words.next().unwrap_or_default();
    !path.is_empty() && interpreter != path && interpreter.contains(&b'/') && words.any(|word| word == path)
}

fn head(path: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; MOST];
    let length = File::open(path).ok()?.read_at(&mut bytes, 0).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// Where the auxiliary vector says that the path lies which execve was given (getauxval(3)), in 64-bit or 32-bit
/// programs.
fn executed_at(auxv: &[u8]) -> Option<u64> {
    const EXECUTED: u64 = 31;
    const PAGE_SIZE: u64 = 6;
    let (wide, _) = auxv.as_chunks::<16>();
    let wide = wide.iter().filter_map(|entry| {
        let (&[key, value], []) = entry.as_chunks::<8>() else { return None };
        Some((u64::from_ne_bytes(key), u64::from_ne_bytes(value)))
    });
    let (narrow, _) = auxv.as_chunks::<8>();
    let narrow = narrow.iter().filter_map(|entry| {
        let (&[key, value], []) = entry.as_chunks::<4>() else { return None };
        Some((u64::from(u32::from_ne_bytes(key)), u64::from(u32::from_ne_bytes(value))))
    });
    let wide: Vec<(u64, u64)> = wide.collect();
    let value = |entries: &[(u64, u64)], wanted| {
        entries.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value)
    };
    // Read in the wrong width, keys are no keys.
    if value(&wide, PAGE_SIZE).is_some_and(|size| size.is_power_of_two() && size >= 4096) {
        return value(&wide, EXECUTED);
    }
    value(&narrow.collect::<Vec<_>>(), EXECUTED)
}

/// The flags that a program gives to `io_uring_setup(2)`: the third word of its parameters.
pub(super) fn uring_flags(tid: u32, parameters: u64) -> Option<u32> {
    let mut word = [0; 4];
    let memory = File::open(format!("/proc/{tid}/mem")).ok()?;
    memory.read_exact_at(&mut word, parameters.checked_add(8)?).ok()?;
    Some(u32::from_ne_bytes(word))
}

/// How a signal is to be handled, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handler {
    /// Calls that it interrupts are made again (`SA_RESTART`).
    pub(super) restarts: bool,
    /// It is told about the signal (`SA_SIGINFO`).
    pub(super) information: bool,
}

/// What a program gives to sigaction(2), in the layout of that call; `None` where it sets no handler.
pub(super) fn handler(tid: u32, call: Syscall, action: u64) -> Option<Handler> {
    const SA_SIGINFO: u64 = 4;
    const SA_RESTART: u64 = 0x1000_0000;
    let by_default = Handler { restarts: false, information: false };
    if call.name() == Some("signal") {
        return (action > 1).then_some(by_default);
    }
    if action == 0 {
        return None;
    }
    let mut words = [0; 16];
    let read =
        File::open(format!("/proc/{tid}/mem")).and_then(|memory| memory.read_exact_at(&mut words, action));
    if read.is_err() {
        // What cannot be read is taken for the worse.
        return Some(by_default);
    }
    let (quads, _) = words.as_chunks::<8>();
    let (halves, _) = words.as_chunks::<4>();
    let quad = |at: usize| quads.get(at).map_or(0, |bytes| u64::from_ne_bytes(*bytes));
    let half = |at: usize| halves.get(at).map_or(0, |bytes| u64::from(u32::from_ne_bytes(*bytes)));
    // The kernel's structs: handler and flags of 64 bits; of 32; and the old one, with the mask in between.
    let (handler, flags) = match (call.abi, call.name()) {
        (Abi::I386 | Abi::Arm, Some("sigaction")) => (half(0), half(2)),
        (Abi::I386 | Abi::Arm, _) => (half(0), half(1)),
        _ => (quad(0), quad(1)),
    };
    // SIG_DFL and SIG_IGN are 0 and 1.
    (handler > 1)
        .then_some(Handler { restarts: flags & SA_RESTART != 0, information: flags & SA_SIGINFO != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        let me = std::process::id();
        let tid = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
        assert_eq!(belongs(tid).unwrap().tgid, me);
        let program = program(tid).unwrap();
        let exe = std::env::current_exe().unwrap();
        assert_eq!(
            (program.path, program.script),
            (ByteString::new(exe.as_os_str().as_encoded_bytes()), None)
        );
        assert_eq!(restrictions(me).map(|(_, filter)| filter), Some(false));
        assert_eq!(belongs(u32::MAX), None);
    }

    #[test]
    fn a_script_is_told_from_a_program_that_is_given_its_own_path() {
        for (path, words, expected) in [
            (&b"./s.sh"[..], &b"/bin/sh\0./s.sh\0a\0"[..], true),
            (b"./s.sh", b"/usr/bin/env\0-S python\0./s.sh\0", true),
            (b"/usr/bin/cat", b"cat\0/usr/bin/cat\0", false),
            (b"/usr/bin/cat", b"/usr/bin/cat\0/usr/bin/cat\0", false),
            (b"/bin/ls", b"ls\0-l\0", false),
            (b"", b"/bin/sh\0\0", false),
            (b"/bin/ls", b"", false),
        ] {
            assert_eq!(is_script(path, words), expected, "{words:?}");
        }
    }

    #[test]
    fn handlers_are_read_in_each_layout() {
        let [restart, information] = [0x1000_0000_u64, 4];
        let wide = [0x1234_u64, restart | information];
        let narrow = [0x1234_u32, 0x1000_0000, 4, 0];
        let tid = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
        let (x86_64, i386) = (|nr| Syscall { abi: Abi::X86_64, nr }, |nr| Syscall { abi: Abi::I386, nr });
        let is = |restarts, information| Some(Handler { restarts, information });
        for (call, address, expected) in [
            (x86_64(13), wide.as_ptr() as u64, is(true, true)),
            (i386(174), narrow.as_ptr() as u64, is(true, false)),
            (i386(67), narrow.as_ptr() as u64, is(false, true)),
            (i386(48), 1, None),
            (i386(48), 0x1234, is(false, false)),
            (x86_64(13), [1_u64, 0].as_ptr() as u64, None),
            (x86_64(13), 0, None),
            (x86_64(13), 1, is(false, false)),
        ] {
            assert_eq!(handler(tid, call, address), expected, "{call:?}");
        }
    }

    #[test]
    fn both_widths_of_the_auxiliary_vector_are_read() {
        let entries = [[33_u32, 0x7fff_1000], [6, 4096], [31, 0x7fff_2000], [0, 0]];
        let wide: Vec<u8> =
            entries.iter().flatten().flat_map(|&word| u64::from(word).to_ne_bytes()).collect();
        let narrow: Vec<u8> = entries.iter().flatten().flat_map(|&word| word.to_ne_bytes()).collect();
        assert_eq!(executed_at(&wide), Some(0x7fff_2000));
        assert_eq!(executed_at(&narrow), Some(0x7fff_2000));
        assert_eq!(executed_at(&[]), None);
    }
}
