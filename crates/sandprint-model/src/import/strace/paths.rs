//! What one call of an strace log did to files.

use super::descriptor::{Descriptor, Open, OpenFile, WORKING_DIRECTORY};
use super::line;
use super::parts::Parts;
use super::reading::{EBADF, EFAULT, Ended, Meaning, OpenedBy, Outcome, Registers, Said};
use super::value::value;
use crate::errno::Errno;
use crate::operands::{self, FileKind, Flags, Operands, PathOperand};
use crate::uses::{FileUse, How, Place};
use crate::{ByteString, Join as _};

/// `RESOLVE_IN_ROOT` (linux/openat2.h): the directory is the root.
const RESOLVE_IN_ROOT: u64 = 0x10;
/// The longest path that is kept (`PATH_MAX`).
const LONGEST_PATH: usize = 4096;

impl Meaning {
    pub(super) fn read_files(&self, ended: Ended<'_>, registers: Registers, said: &mut Said) {
        let Some(operands) = self.operands else { return };
        let error = match ended.outcome {
            Outcome::Succeeded(_) => None,
            Outcome::Failed(error) => Some(error),
            Outcome::Unknown => return,
        };
        let reader = FileReader {
            meaning: self,
            ended,
            registers,
            error,
            flags: self.flags(operands, ended.parts, registers),
        };
        if operands.opens && error.is_none() {
            said.opened = Some(OpenedBy { file: None, flags: reader.flags });
        }
        for (nth, path) in operands.paths.iter().enumerate() {
            reader.read_path(nth, path, said);
        }
        if operands.opens && operands.paths.is_empty() && error.is_none() {
            reader.read_opened(said);
        }
        if let Some(descriptor) = operands.used_descriptor() {
            reader.read_descriptor(descriptor, said);
        }
    }

    /// The flags that decide over rights.
    fn flags(&self, operands: &Operands, parts: &Parts<'_>, registers: Registers) -> Option<u64> {
        match operands.flags {
            Flags::Argument(index) => registers.get(index),
            Flags::OpenHow(_) => self.open_how(parts, "flags"),
            flags => flags.value(&registers.values),
        }
    }

    /// A field of `struct open_how`.
    fn open_how(&self, parts: &Parts<'_>, name: &str) -> Option<u64> {
        let Flags::OpenHow(index) = self.operands?.flags else { return None };
        let how = Parts::within(line::unnamed(self.item(parts, index.into())?))?;
        value(self.call.abi, how.field(name)?)
    }
}

/// Reads what a call did to files.
struct FileReader<'r, 't> {
    meaning: &'r Meaning,
    ended: Ended<'t>,
    registers: Registers,
    error: Option<Errno>,
    flags: Option<u64>,
}

impl FileReader<'_, '_> {
    fn read_path(&self, nth: usize, path: &PathOperand, said: &mut Said) {
        if let Some(when) = path.when {
            match self.registers.get(when.argument) {
                Some(_) if when.holds(&self.registers.values) => {}
                Some(_) => return,
                None => return said.lost.unread += 1,
            }
        }
        let call = self.meaning.call;
        let item = |index: u8| self.meaning.item(self.ended.parts, index.into());
        let Some(flags) = self.flags else { return said.lost.unread += 1 };
        let told = path.when.and_then(|when| self.registers.get(when.argument)).unwrap_or(flags);
        let Some(written) = item(path.path) else { return said.lost.unread += 1 };
        let is_null = value(call.abi, written) == Some(0);
        let text = match line::c_string(line::unnamed(written)) {
            Some((_, rest)) if rest.starts_with(b"...") => return said.lost.cut += 1,
            Some((text, _)) => text,
            None if is_null && path.null => ByteString::default(),
            None => return said.lost.unread += u64::from(!is_null && self.error != Some(EFAULT)),
        };
        if text.as_bytes().len() > LONGEST_PATH {
            // The kernel takes none that is so long.
            return;
        }
        let directory = match path.dir {
            None => self.working_directory(),
            Some(dir) => item(dir)
                .and_then(|text| Descriptor::read(call.abi, text))
                .and_then(|dir| self.directory(dir)),
        };
        if text.is_empty() {
            let is_used = self.meaning.operands.is_some_and(Operands::uses_empty);
            if !is_used || !(is_null || operands::takes_empty(call, nth, flags)) {
                return;
            }
            // The descriptor itself.
            let Some(open) = directory else {
                return said.lost.nameless += u64::from(self.error.is_none());
            };
            let Open::File(OpenFile { place, by_kernel, mode }) = open else { return };
            let found = Some(place);
            let whole = FileUse {
                call,
                how: How::Path(nth),
                told,
                error: self.error,
                mode,
                made: false,
                found,
                base: None,
                text: b"",
            };
            return add(&whole, by_kernel, said);
        }
        let resolve = self.meaning.open_how(self.ended.parts, "resolve").unwrap_or(0);
        let (told, text) = (told | resolve << 32, text.as_bytes());
        let is_beside = text.starts_with(b"/") && resolve & RESOLVE_IN_ROOT == 0;
        let base = match directory.filter(|_| !is_beside) {
            Some(Open::File(file)) => Some(file.place),
            // No directory: the call has failed.
            Some(_) => return,
            None => None,
        };
        // The directory was opened by a path whose beginning is not known either.
        let unplaced = base.as_ref().filter(|base| !base.path.as_bytes().starts_with(b"/"));
        let longer = unplaced.map(|base| [base.path.as_bytes(), b"/", text].concat());
        let (text, base) = match &longer {
            Some(longer) => (longer.as_slice(), None),
            None => (text, base),
        };
        let opened = self.result().filter(|_| nth == 0 && self.error.is_none());
        let (found, mode) = match opened {
            Some(Open::File(file)) => (Some(file.place), file.mode),
            _ => (None, None),
        };
        let whole = FileUse {
            call,
            how: How::Path(nth),
            told,
            error: self.error,
            mode,
            made: false,
            found,
            base,
            text,
        };
        if let Some(opened) = said.opened.as_mut().filter(|_| nth == 0) {
            opened.file = opened_file(&whole);
        }
        add(&whole, true, said);
    }

    /// What a path begins at that has a descriptor for it.
    fn directory(&self, descriptor: Descriptor) -> Option<Open> {
        if descriptor.number == WORKING_DIRECTORY {
            return self.own(descriptor.open).or_else(|| self.working_directory());
        }
        self.open(descriptor)
    }

    fn working_directory(&self) -> Option<Open> {
        let place = self.ended.position.directory.clone()?;
        Some(Open::File(OpenFile { place, by_kernel: false, mode: None }))
    }

    /// What a descriptor is of: the log says it here, or has said it before.
    fn open(&self, descriptor: Descriptor) -> Option<Open> {
        self.own(descriptor.open).or_else(|| self.ended.table.get(descriptor.number).cloned())
    }

    /// What the log says, where that is what the process sees.
    fn own(&self, open: Option<Open>) -> Option<Open> {
        open.filter(|open| !(self.ended.position.is_elsewhere && matches!(open, Open::File(_))))
    }

    /// What the call gave a descriptor of.
    fn result(&self) -> Option<Open> {
        let Outcome::Succeeded(result) = self.ended.outcome else { return None };
        let opens = self.meaning.operands.is_some_and(|operands| operands.opens);
        let descriptor = Descriptor::read(self.meaning.call.abi, result).filter(|_| opens)?;
        self.own(descriptor.open)
    }

    /// A file that was opened without a path.
    fn read_opened(&self, said: &mut Said) {
        let Some(flags) = self.flags else { return said.lost.unread += 1 };
        let Some(Open::File(OpenFile { place, by_kernel, mode })) = self.result() else {
            return said.lost.nameless += 1;
        };
        let call = self.meaning.call;
        if let Some(opened) = &mut said.opened {
            opened.file = Some(OpenFile { place: place.clone(), by_kernel, mode });
        }
        let found = Some(place);
        add(
            &FileUse {
                call,
                how: How::Path(0),
                told: flags,
                error: None,
                mode,
                made: false,
                found,
                base: None,
                text: b"",
            },
            by_kernel,
            said,
        );
    }

    fn read_descriptor(&self, operand: operands::DescriptorOperand, said: &mut Said) {
        let call = self.meaning.call;
        if operand.when.iter().any(|when| self.registers.get(when.argument).is_none()) {
            return said.lost.unread += 1;
        }
        let item = self.meaning.item(self.ended.parts, operand.argument.into());
        let Some(descriptor) = item.and_then(|text| Descriptor::read(call.abi, text)) else {
            return said.lost.unread += u64::from(!operand.rights(&self.registers.values, None).is_empty());
        };
        if descriptor.number < 0 {
            return;
        }
        let open = self.open(descriptor);
        let kind = match &open {
            Some(Open::File(file)) => file.mode.and_then(|mode| FileKind::from_mode(mode.into())),
            _ => None,
        };
        if operand.rights(&self.registers.values, kind).is_empty() {
            return;
        }
        let OpenFile { place, by_kernel, mode } = match open {
            Some(Open::File(file)) => file,
            Some(_) => return,
            None => return said.lost.nameless += u64::from(self.error != Some(EBADF)),
        };
        // Of what kind a file is the log seldom says; where devices are it does.
        if operand.devices_only && kind.is_none() && !place.path.as_bytes().starts_with(b"/dev/") {
            return;
        }
        let found = Some(place);
        add(
            &FileUse {
                call,
                how: How::Descriptor,
                told: 0,
                error: self.error,
                mode,
                made: false,
                found,
                base: None,
                text: b"",
            },
            by_kernel,
            said,
        );
    }
}

/// The file that a call opened: where the kernel says, or where it was asked for.
fn opened_file(of: &FileUse<'_>) -> Option<OpenFile> {
    let (path, seen) = of.facts().into_iter().next()?;
    Some(OpenFile { place: Place { path, doubts: seen.doubts }, by_kernel: seen.by_kernel, mode: of.mode })
}

/// Adds what a call did to a file, whose place may have been put together earlier.
fn add(of: &FileUse<'_>, by_kernel: bool, said: &mut Said) {
    for (path, mut seen) in of.facts() {
        seen.by_kernel &= by_kernel;
        said.uses.files.entry(path).or_default().join(seen);
    }
}
