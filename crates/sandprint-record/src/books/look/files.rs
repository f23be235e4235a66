//! The files of a call: what it opened is the kernel's own word, and other paths are put together.

use sandprint_model::operands::{FileKind, Flags, Operands, PathOperand, Role, takes_empty};
use sandprint_model::uses::{FileUse, How, Lead, Place};
use sandprint_model::{Right, Syscall};

use super::{EFAULT, Found, Look, O_CREAT, low, word};
use crate::books::memory::Memory;
use crate::books::places::{self, Opened};
use crate::books::{Caller, task};
use crate::ebpf::telling_argument;

/// Most bytes of a path (`PATH_MAX`, linux/limits.h), with the NUL that ends it.
const MOST_PATH: usize = 4096;
/// linux/fcntl.h.
const AT_FDCWD: u32 = 100_u32.wrapping_neg();
/// linux/openat2.h.
const RESOLVE_IN_ROOT: u64 = 0x10;

impl Look {
    pub(super) fn files(&self, operands: &Operands, memory: Option<&Memory>, found: &mut Found) {
        let executes = operands.paths.iter().any(|path| path.role == Role::Executed);
        if executes && self.succeeded() {
            // Its memory is another program's now: see `executed`.
            return;
        }
        let told = telling_argument(operands).map_or(0, |index| self.argument(index));
        let (told, in_root) = match operands.flags {
            Flags::OpenHow(_) => Look::open_how(memory, told),
            _ => (told, false),
        };
        let opened = if operands.opens && self.succeeded() {
            let descriptor = self.result.and_then(|result| u64::try_from(result).ok());
            descriptor.and_then(|descriptor| places::of_descriptor(self.who.tid, descriptor))
        } else {
            None
        };
        if operands.paths.is_empty() && operands.opens && self.error().is_none() {
            // What it opens without a path is known only once it is open.
            match opened {
                Some(opened) => self.add(found, &self.opened((operands, told), opened, b"")),
                None => found.files_lost += 1,
            }
            return;
        }
        let mut opened = opened;
        for (nth, path) in operands.paths.iter().enumerate().filter(|(_, path)| path.is_path(&self.args)) {
            let address = self.argument(path.path);
            let text = match address {
                0 => Some(Vec::new()),
                address => memory.and_then(|memory| memory.string(address, MOST_PATH)),
            };
            let Some(text) = text else {
                // Where the kernel could not read it either, there was no path.
                found.files_lost += u64::from(self.error() != Some(EFAULT));
                continue;
            };
            if text.len() >= MOST_PATH {
                // It has no end where the kernel stops to read it, and is none.
                continue;
            }
            if text.is_empty() && !self.means_itself(nth, path, told) {
                continue;
            }
            let of = match opened.take().filter(|_| nth == 0) {
                Some(opened) => self.opened((operands, told), opened, &text),
                None => FileUse { how: How::Path(nth), told, ..self.nothing(&text) },
            };
            let of = if self.moves(path) && nth == 0 {
                let found = match self.call.name() {
                    Some("pivot_root") => None,
                    // Of what was relative, this alone says where it was.
                    Some("chroot") if text.starts_with(b"/") => None,
                    Some("chroot") => places::root_directory(self.who.tid),
                    _ => places::working_directory(self.who.tid),
                };
                FileUse { found, ..of }
            } else if self.moves(path) {
                // What it was relative to is another directory by now.
                of
            } else {
                let base = if text.starts_with(b"/") && !in_root { None } else { self.base(path) };
                FileUse { base, ..of }
            };
            self.add(found, &of);
        }
        self.descriptor(operands, found);
    }

    /// Whether it has another working directory or root now.
    fn moves(&self, path: &PathOperand) -> bool {
        let changes = path.role == Role::Entered || self.call.name() == Some("pivot_root");
        changes && self.succeeded()
    }

    /// Whether an empty path is a descriptor of which it matters what is done with it.
    fn means_itself(&self, nth: usize, path: &PathOperand, told: u64) -> bool {
        let matters = path.role != Role::Examined && path.role != Role::Entered;
        matters && (takes_empty(self.call, nth, told) || (path.null && self.argument(path.path) == 0))
    }

    /// The flags of `openat2`, with how the path is resolved in the upper half, and whether it begins at the directory even
    /// where it is absolute.
    fn open_how(memory: Option<&Memory>, address: u64) -> (u64, bool) {
        let flags = word(memory, address).unwrap_or_default();
        let resolve = word(memory, address.wrapping_add(16)).unwrap_or_default();
        (u64::from(low(flags)) | resolve << 32, resolve & RESOLVE_IN_ROOT != 0)
    }

    /// What a path begins at that is relative.
    fn base(&self, path: &PathOperand) -> Option<Place> {
        match path.dir.map(|index| self.argument(index)) {
            Some(descriptor) if low(descriptor) != AT_FDCWD => {
                places::of_descriptor(self.who.tid, descriptor).map(|opened| opened.place)
            }
            _ => places::working_directory(self.who.tid),
        }
    }

    fn nothing<'t>(&self, text: &'t [u8]) -> FileUse<'t> {
        FileUse {
            call: self.call,
            how: How::Descriptor,
            told: 0,
            error: self.error(),
            mode: None,
            made: false,
            found: None,
            base: None,
            text,
        }
    }

    fn opened<'t>(&self, (operands, told): (&Operands, u64), opened: Opened, text: &'t [u8]) -> FileUse<'t> {
        let asked = operands.flags.value(&self.args).unwrap_or(told) & O_CREAT != 0;
        let made = asked && self.made(&opened).unwrap_or(true);
        FileUse {
            how: How::Path(0),
            told,
            mode: opened.mode,
            made,
            found: Some(opened.place),
            ..self.nothing(text)
        }
    }

    /// Whether this call made the file, if that can be told: it is no older than the call.
    fn made(&self, opened: &Opened) -> Option<bool> {
        if FileKind::from_mode(opened.mode?.into()) != Some(FileKind::Regular) {
            return Some(false);
        }
        let (seconds, nanoseconds) = opened.born?;
        // Some file systems keep full seconds, or hundredths.
        let is_exact = nanoseconds % 10_000_000 != 0;
        is_exact.then_some((seconds, i64::from(nanoseconds)) >= self.began?)
    }

    fn descriptor(&self, operands: &Operands, found: &mut Found) {
        let Some(operand) = operands.descriptor.filter(|operand| operand.right != Right::Metadata) else {
            return;
        };
        if operand.rights(&self.args, None).is_empty() {
            return;
        }
        // None: there is no such descriptor, and the call failed.
        let Some(opened) = places::of_descriptor(self.who.tid, self.argument(operand.argument)) else {
            return;
        };
        let kind = opened.mode.and_then(|mode| FileKind::from_mode(mode.into()));
        if operand.devices_only && !kind.is_some_and(FileKind::is_device) {
            return;
        }
        self.add(found, &FileUse { mode: opened.mode, found: Some(opened.place), ..self.nothing(b"") });
    }

    fn add(&self, found: &mut Found, of: &FileUse<'_>) {
        let (facts, leads) = of.facts_and_leads();
        found.files.extend(facts.into_iter().map(|(path, seen)| (path, self.as_known(seen))));
        for Lead { seen, through, last } in leads {
            found.lead(self.who, Lead { seen: self.as_known(seen), through, last });
        }
    }
}

/// What a process has executed just now: its program, and as what it was named. `call` is the execve.
pub(crate) fn executed(pid: u32, call: Syscall) -> Found {
    let mut found = Found::default();
    let (program, text) = (places::program(pid), task::executed_as(pid));
    found.files_lost += u64::from(program.is_none() || text.is_none());
    let text = text.unwrap_or_default();
    let (text, base) = match of_descriptor(&text) {
        // Unless the execution has closed it.
        Some((descriptor, rest)) => match places::of_descriptor(pid, descriptor) {
            Some(opened) => (rest, Some(opened.place)),
            None => (&text[..], None),
        },
        None if text.is_empty() || text.starts_with(b"/") => (&text[..], None),
        None => (&text[..], places::working_directory(pid)),
    };
    let how = if task::script(pid).is_some() { How::Interpreter } else { How::Executed };
    let of = FileUse { call, how, told: 0, error: None, mode: None, made: false, found: program, base, text };
    let (facts, leads) = of.facts_and_leads();
    found.files = facts;
    for lead in leads {
        found.lead(Caller { tgid: pid, tid: pid }, lead);
    }
    found
}

/// What is executed by a descriptor has no path, and the kernel writes `/dev/fd/N`, or `/dev/fd/N/PATH` (`alloc_bprm`,
/// fs/exec.c): the descriptor, and the rest.
fn of_descriptor(text: &[u8]) -> Option<(u64, &[u8])> {
    let rest = text.strip_prefix(b"/dev/fd/")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    match rest {
        [] => Some((number, rest)),
        [b'/', rest @ ..] => Some((number, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sandprint_model::{Abi, Doubts};

    use super::*;

    #[test]
    fn a_program_that_was_executed_by_a_descriptor_begins_there() {
        for (text, expected) in [
            ("/dev/fd/3", Some((3, ""))),
            ("/dev/fd/12/a/b", Some((12, "a/b"))),
            ("/dev/fd/", None),
            ("/dev/fd/3a", None),
            ("/bin/sh", None),
        ] {
            let expected = expected.map(|(number, rest)| (number, rest.as_bytes()));
            assert_eq!(of_descriptor(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_file_is_made_by_a_call_that_is_no_younger() {
        const REGULAR: u16 = 0o100_644;
        let look = |began| Look {
            call: Syscall::from_name(Abi::X86_64, "openat").unwrap(),
            args: [0; 6],
            who: Caller { tgid: 0, tid: 0 },
            result: Some(3),
            began,
        };
        let opened = |mode, born| Opened {
            place: Place { path: "/x".into(), doubts: Doubts::NONE },
            mode: Some(mode),
            born,
        };
        for (mode, born, began, expected) in [
            (REGULAR, Some((5, 7)), Some((5, 7)), Some(true)),
            (REGULAR, Some((5, 6)), Some((5, 7)), Some(false)),
            (REGULAR, Some((6, 1)), Some((5, 7)), Some(true)),
            (REGULAR, Some((5, 0)), Some((5, 7)), None),
            (REGULAR, None, Some((5, 7)), None),
            (REGULAR, Some((5, 6)), None, None),
            (0o020_666, None, None, Some(false)),
        ] {
            assert_eq!(look(began).made(&opened(mode, born)), expected, "{born:?} {began:?}");
        }
    }
}
