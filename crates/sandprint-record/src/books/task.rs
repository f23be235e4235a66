//! What /proc says of a task whose call waits for its answer.
//!
//! The workload may be what serves a file system (FUSE), and it waits: so nothing here asks a file system anything.
//! Links of /proc are followed without a look-up, and attributes are taken as the kernel remembers them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use sandprint_model::{Abi, ByteString, Syscall};
use sandprint_sandbox::process::{self, Seccomp, Status};

use super::memory::Memory;

/// Most bytes read of a path or of a command's words.
const MOST: usize = 4096;

/// Which process a thread is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Belongs {
    pub(crate) tgid: u32,
    pub(crate) parent: u32,
}

/// Reads that; `None` where the thread is gone, or /proc hides it.
pub(crate) fn belongs(tid: u32) -> Option<Belongs> {
    let status = Status::of(tid)?;
    Some(Belongs { tgid: status.tgid()?, parent: status.parent()? })
}

/// Whether a process may not gain privileges, and whether it has a seccomp filter.
pub(crate) fn restrictions(pid: u32) -> Option<(bool, bool)> {
    let status = Status::of(pid)?;
    Some((status.has_no_new_privileges()?, status.seccomp()? != Seccomp::Off))
}

/// Whether the thread `tracer` traces a task.
pub(crate) fn is_traced_by(tid: u32, tracer: u32) -> bool {
    Status::of(tid).is_some_and(|status| status.tracer() == Some(tracer))
}

/// What makes two executables the same image, as the BPF recorder has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    device: (u32, u32),
    ino: u64,
    changed: (i64, u32),
    script: Option<Vec<u8>>,
}

/// What a task runs.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) identity: Identity,
    /// As the task sees it.
    pub(crate) path: ByteString,
    pub(crate) script: Option<ByteString>,
    /// The bits of its mode.
    pub(crate) mode: u16,
    /// The file itself, opened for nothing (`O_PATH`).
    pub(crate) file: OwnedFd,
}

/// What the thread runs; `None` where it is gone, or where we may not know.
pub(crate) fn program(tid: u32) -> Option<Program> {
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
pub(crate) fn script(tid: u32) -> Option<Vec<u8>> {
    let path = executed_as(tid)?;
    let words = head(&format!("/proc/{tid}/cmdline"))?;
    is_script(&path, &words).then_some(path)
}

/// The path that the execve was given of what a task runs.
pub(crate) fn executed_as(tid: u32) -> Option<Vec<u8>> {
    let auxv = head(&format!("/proc/{tid}/auxv"))?;
    let mut path = vec![0; MOST];
    let memory = File::open(format!("/proc/{tid}/mem")).ok()?;
    let length = memory.read_at(&mut path, executed_at(&auxv)?).ok()?;
    path.truncate(length);
    path.split(|&byte| byte == 0).next().map(<[u8]>::to_vec)
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
pub(crate) fn uring_flags(tid: u32, parameters: u64) -> Option<u32> {
    let mut word = [0; 4];
    read_memory(tid, parameters.checked_add(8)?, &mut word).then(|| u32::from_ne_bytes(word))
}

/// How a signal is to be handled, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handler {
    /// Calls that it interrupts are made again (`SA_RESTART`).
    pub(crate) restarts: bool,
    /// It is told about the signal (`SA_SIGINFO`).
    pub(crate) information: bool,
}

/// What sigaction(2) is to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing: it only asks.
    None,
    /// There is no handler any more.
    Removed,
    /// There is this one.
    Set(Handler),
}

/// What a program gives to sigaction(2), in the layout of that call.
pub(crate) fn handler(tid: u32, call: Syscall, action: u64) -> Change {
    const SA_SIGINFO: u64 = 4;
    const SA_RESTART: u64 = 0x1000_0000;
    let by_default = Handler { restarts: false, information: false };
    if call.name() == Some("signal") {
        return if action > 1 { Change::Set(by_default) } else { Change::Removed };
    }
    if action == 0 {
        return Change::None;
    }
    let mut words = [0; 16];
    if !read_memory(tid, action, &mut words) {
        // What cannot be read is taken for the worse.
        return Change::Set(by_default);
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
    if handler <= 1 {
        return Change::Removed;
    }
    Change::Set(Handler { restarts: flags & SA_RESTART != 0, information: flags & SA_SIGINFO != 0 })
}

/// Whether a signal to this thread has no effect: it is ignored, or has no handler and is ignored by default; and the
/// first process of a PID namespace ignores all that it has no handler for.
pub(crate) fn ignores(tid: u32, signal: i32) -> bool {
    const BY_DEFAULT: [i32; 4] = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH];
    let Some(status) = Status::of(tid) else { return false };
    let Some(bit) = signal.checked_sub(1).and_then(|signal| 1_u64.checked_shl(signal.cast_unsigned())) else {
        return false;
    };
    let unkillable = || status.numbers().is_some_and(|pids| pids.len() > 1 && pids.last() == Some(&1));
    status.ignored() & bit != 0
        || (status.caught() & bit == 0 && (BY_DEFAULT.contains(&signal) || unkillable()))
}

/// The numbers of a thread, in this PID namespace and those below it that it is in.
pub(crate) fn numbers(tid: u32) -> Option<Vec<u32>> {
    Status::of(tid)?.numbers()
}

/// Whether one may trace the other, as far as users go: root, or whoever has all its user ids (ptrace(2)).
pub(crate) fn may_trace(tracer: u32, target: u32) -> bool {
    let users = |tid| Status::of(tid)?.users();
    let (Some(tracer), Some(target)) = (users(tracer), users(target)) else { return true };
    // Real, effective, saved, of the file system.
    let [_, effective, _, of_files] = tracer;
    effective == 0 || target.iter().all(|user| *user == of_files)
}

/// A call that a thread waits in, as far as it tells one from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) nr: u32,
    pub(crate) args: [u64; 6],
    pub(crate) instruction_pointer: u64,
}

/// Whether a thread is in this call, and in the part of it that comes after filters.
pub(crate) fn is_still_in(tid: u32, call: &Waiting) -> bool {
    let read = |name: &str| fs::read_to_string(format!("/proc/{tid}/{name}")).unwrap_or_default();
    // A call that waits for a supervisor looks like one that was let go on, but for where it waits.
    parse_waiting(&read("syscall")).as_ref() == Some(call) && !read("wchan").starts_with("seccomp")
}

/// How often a thread has come onto a processor (/proc/PID/schedstat, Documentation/scheduler/sched-stats.rst); `None`
/// where the kernel does not count.
pub(crate) fn runs(tid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{tid}/schedstat")).ok()?;
    text.split_ascii_whitespace().nth(2)?.parse().ok().filter(|&runs| runs > 0)
}

/// How often a thread that waits has come onto a processor; `None` if it may be on one.
pub(crate) fn runs_before_it_waited(tid: u32) -> Option<u64> {
    let runs = runs(tid)?;
    // Looked at after the number: what waits then has not run in between, or the number is too old, which shows.
    process::waits(tid).then_some(runs)
}

/// `/proc/PID/syscall` of a thread that is blocked in a call: its number, six arguments, stack and instruction pointer.
fn parse_waiting(line: &str) -> Option<Waiting> {
    let mut words = line.split_ascii_whitespace();
    let nr = words.next()?.parse::<i64>().ok()?;
    let mut number = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let args = [number()?, number()?, number()?, number()?, number()?, number()?];
    let _stack = number()?;
    let nr = u32::try_from(nr).ok()?;
    Some(Waiting { nr, args, instruction_pointer: number()? })
}

/// Reads a task's memory, as far as that needs nobody: a page that is not there may have to come from a file system
/// that the workload serves itself. Whether it could be read.
pub(crate) fn read_memory(tid: u32, address: u64, bytes: &mut [u8]) -> bool {
    Memory::of(tid).is_some_and(|memory| memory.read(address, bytes))
}

/// These processes and all that descends from them, as far as /proc can tell.
pub(crate) fn with_descendants(mut found: BTreeSet<u32>) -> BTreeSet<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let parents: Vec<(u32, u32)> =
        numbers.into_iter().filter_map(|pid| Some((pid, process::parent(pid)?))).collect();
    loop {
        let before = found.len();
        let children = parents.iter().filter(|(_, parent)| found.contains(parent)).map(|(pid, _)| *pid);
        let children: Vec<u32> = children.collect();
        found.extend(children);
        if found.len() == before {
            return found;
        }
    }
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
        let ignored = [1_u64, 0];
        let tid = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
        let (x86_64, i386) = (|nr| Syscall { abi: Abi::X86_64, nr }, |nr| Syscall { abi: Abi::I386, nr });
        let is = |restarts, information| Change::Set(Handler { restarts, information });
        for (call, address, expected) in [
            (x86_64(13), wide.as_ptr() as u64, is(true, true)),
            (i386(174), narrow.as_ptr() as u64, is(true, false)),
            (i386(67), narrow.as_ptr() as u64, is(false, true)),
            (i386(48), 1, Change::Removed),
            (i386(48), 0x1234, is(false, false)),
            (x86_64(13), ignored.as_ptr() as u64, Change::Removed),
            (x86_64(13), 0, Change::None),
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
