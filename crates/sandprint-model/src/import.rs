//! Recordings of other tools, read as a [`Trace`].
//!
//! An importer reads what it understands and says what it did not: lines that it could not read, parts that
//! are known to be missing, calls that may be one of two. Each of these is a [`Gap`] of the run, never
//! silence. The run is named by the hash of the recording, so importing the same file twice is importing it
//! once.

use std::collections::BTreeSet;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::{Arch, FactKind, Gap, GapKind, Recorder, Run, RunId, Trace};

mod audit;
mod sandprint01;
mod strace;

pub use audit::{SeccompRecord, seccomp_record};

/// A kind of recording that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Audit records of system calls (`type=1300`, SYSCALL) and of seccomp (`type=1326`, SECCOMP), as
    /// auditd, ausearch, dmesg or journalctl write them.
    Audit,
    /// The JSON trace of the upstream tool, version 0.1 (`schema_version` 1).
    Sandprint01,
    /// The log of strace, best of `strace -f -o FILE`.
    Strace,
}

impl Source {
    /// Every source, in name order.
    pub const ALL: [Source; 3] = [Source::Audit, Source::Sandprint01, Source::Strace];

    /// The stable name used on the command line.
    pub fn name(self) -> &'static str {
        self.recorder().name()
    }

    /// The source of that name.
    pub fn from_name(name: &str) -> Option<Source> {
        Source::ALL.into_iter().find(|source| source.name() == name)
    }

    /// What they can hold beside the calls.
    fn facts(self) -> BTreeSet<FactKind> {
        match self {
            Source::Audit | Source::Sandprint01 => BTreeSet::new(),
            Source::Strace => BTreeSet::from([
                FactKind::Arguments,
                FactKind::Files,
                FactKind::Memory,
                FactKind::Namespaces,
                FactKind::Results,
                FactKind::Sockets,
            ]),
        }
    }

    /// What made such recordings.
    pub fn recorder(self) -> Recorder {
        match self {
            Source::Audit => Recorder::Audit,
            Source::Sandprint01 => Recorder::Sandprint01,
            Source::Strace => Recorder::Strace,
        }
    }
}

/// What a recording does not say of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportConfig {
    /// The machine it was recorded on. Only strace logs need it: they give names without an architecture.
    pub arch: Arch,
}

/// Why a recording could not be imported at all. What is wrong with parts of it is a gap instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// There is nothing to read.
    #[error("the file is empty")]
    Empty,
    /// Not one line of it is of the expected kind.
    #[error("the file holds no line of {expected}")]
    NothingFound {
        /// What it should have held.
        expected: &'static str,
    },
    /// It is a table of counts, which says neither what ran nor through which ABI.
    #[error("the file is a summary of strace -c, not a log: record without -c, or with -C")]
    OnlySummary,
    /// It is larger than such a recording can be.
    #[error("the file is larger than {MOST_JSON} bytes, or than the memory there is")]
    TooLarge,
    /// It is no JSON, or not that of a sandprint 0.1 trace.
    #[error("the trace of sandprint 0.1 cannot be read at line {line}, column {column}: {problem}")]
    Json {
        /// Where, from 1.
        line: usize,
        /// Where, from 1, in bytes.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// Its version is not 1.
    #[error("the trace has `schema_version` {found}, and only 1 is known")]
    SchemaVersion {
        /// Its version.
        found: u64,
    },
    /// It names a machine that sandprint does not know.
    #[error("the trace was recorded on `{found}`, whose system calls are not known here")]
    UnknownArch {
        /// The machine, escaped and cut.
        found: String,
    },
}

/// Reads a recording of another tool that is there as a whole.
pub fn import(source: Source, bytes: &[u8], config: &ImportConfig) -> Result<Trace, ImportError> {
    let mut importer = Importer::new(source, config);
    importer.take(bytes)?;
    importer.finish()
}

/// Reads a recording piece by piece, in memory that does not grow with its length.
#[derive(Debug)]
pub struct Importer {
    source: Source,
    reader: Reader,
    /// The id of the run: the same for the same recording, read the same way.
    ///
    /// The hash need not withstand forgery: two recordings of one id are joined, which keeps the calls of both.
    hasher: SipHasher24,
    lines: Lines,
    is_blank: bool,
    length: u64,
}

#[derive(Debug)]
enum Reader {
    Audit(Box<audit::Log>),
    Strace(Box<strace::Log>),
    /// JSON is read as a whole.
    Whole(Vec<u8>),
}

impl Importer {
    /// Begins with nothing.
    pub fn new(source: Source, config: &ImportConfig) -> Importer {
        let (reader, arch) = match source {
            Source::Audit => (Reader::Audit(Box::default()), None),
            Source::Sandprint01 => (Reader::Whole(Vec::new()), None),
            Source::Strace => (Reader::Strace(Box::new(strace::Log::new(config.arch))), Some(config.arch)),
        };
        let mut hasher = SipHasher24::new_with_keys(0, 0);
        for part in [source.name(), arch.map_or("", Arch::name)] {
            hasher.write(part.as_bytes());
            hasher.write_u8(0);
        }
        Importer { source, reader, hasher, lines: Lines::default(), is_blank: true, length: 0 }
    }

    /// Takes the next bytes. An error says that the rest need not be read.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        self.hasher.write(bytes);
        self.is_blank = self.is_blank && bytes.iter().all(u8::is_ascii_whitespace);
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let found = match &mut self.reader {
            Reader::Whole(whole) => {
                let is_too_large = whole.len().saturating_add(bytes.len()) > MOST_JSON;
                if is_too_large || whole.try_reserve(bytes.len()).is_err() {
                    return Err(ImportError::TooLarge);
                }
                whole.extend_from_slice(bytes);
                true
            }
            Reader::Audit(log) => {
                self.lines.take(bytes, |number, line| log.line(number, line));
                log.found()
            }
            Reader::Strace(log) => {
                self.lines.take(bytes, |number, line| log.line(number, line));
                log.found()
            }
        };
        if !found && self.length > MOST_WITHOUT {
            return Err(ImportError::NothingFound { expected: expected(self.source) });
        }
        Ok(())
    }

    /// Whether anything was found by now that such a recording has.
    pub fn has_found(&self) -> bool {
        match &self.reader {
            Reader::Whole(whole) => !whole.is_empty(),
            Reader::Audit(log) => log.found(),
            Reader::Strace(log) => log.found(),
        }
    }

    /// The trace of all that was taken.
    pub fn finish(mut self) -> Result<Trace, ImportError> {
        if self.is_blank {
            return Err(ImportError::Empty);
        }
        let run = RunId::from_bits(self.hasher.finish128().as_u128());
        match self.reader {
            Reader::Whole(whole) => sandprint01::import(&whole, &run),
            Reader::Audit(mut log) => {
                self.lines.end(|number, line| log.line(number, line));
                log.into_trace(&run)
            }
            Reader::Strace(mut log) => {
                self.lines.end(|number, line| log.line(number, line));
                log.into_trace(&run)
            }
        }
    }
}

/// What a recording should hold.
fn expected(source: Source) -> &'static str {
    match source {
        Source::Audit => "an audit log about system calls",
        Source::Sandprint01 => "a trace of sandprint 0.1",
        Source::Strace => "an strace log",
    }
}

/// Most bytes of a trace of sandprint 0.1; those of real runs have some 100 KiB.
const MOST_JSON: usize = 256 << 20;
/// So many bytes without one line of the expected kind, and the file is of another.
const MOST_WITHOUT: u64 = 64 << 20;
/// Most programs of a log that are kept apart, as the recorders do.
const MOST_IMAGES: usize = 4096;
/// Most different calls of a log: by program, call and thread.
const MOST_FACTS: usize = 1 << 18;

/// Bytes in pieces as lines.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    number: usize,
}

impl Lines {
    /// How much of an endless line is kept: its beginning, which names the call. Its end comes with the piece that ends
    /// it.
    const LONGEST: usize = 1 << 20;

    fn take(&mut self, bytes: &[u8], mut line: impl FnMut(usize, &[u8])) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let is_whole = pieces.peek().is_some();
            if is_whole && self.begun.is_empty() {
                self.number += 1;
                line(self.number, piece);
                continue;
            }
            // Of a line that is too long the beginning and the end are kept.
            if self.begun.len().saturating_add(piece.len()) > 2 * Lines::LONGEST {
                self.begun.truncate(Lines::LONGEST);
                let from = piece.len().saturating_sub(Lines::LONGEST);
                self.begun.extend_from_slice(piece.get(from..).unwrap_or_default());
            } else {
                self.begun.extend_from_slice(piece);
            }
            if is_whole {
                self.number += 1;
                line(self.number, &self.begun);
                self.begun.clear();
            }
        }
    }

    fn end(&mut self, mut line: impl FnMut(usize, &[u8])) {
        if !self.begun.is_empty() {
            line(self.number + 1, &self.begun);
        }
    }
}

/// A run of which nothing is known but what it was imported from.
fn imported_run(source: Source) -> Run {
    Run {
        duration_ms: None,
        exit: None,
        name: None,
        command: Vec::new(),
        target: None,
        recorder: source.recorder(),
        started_unix_ms: None,
        host: None,
        tool_version: String::new(),
        facts: source.facts(),
        peaks: std::collections::BTreeMap::new(),
    }
}

/// Lines that could not be understood: how many, and where to look.
#[derive(Debug, Default)]
struct NotUnderstood {
    count: u64,
    first_line: usize,
}

impl NotUnderstood {
    /// Notes one; lines count from 1.
    fn note(&mut self, line: usize) {
        if self.count == 0 {
            self.first_line = line;
        }
        self.count += 1;
    }

    fn into_gap(self, run: &RunId, trace: &mut Trace) {
        if self.count > 0 {
            let detail =
                Some(format!("lines that are not understood, the first is line {}", self.first_line));
            trace.note_gap(Gap { kind: GapKind::ImportIncomplete, run: *run, detail }, self.count);
        }
    }
}

/// Notes a gap of an import.
fn note(trace: &mut Trace, run: &RunId, kind: GapKind, detail: impl Into<String>, count: usize) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    trace.note_gap(Gap { kind, run: *run, detail: Some(detail.into()) }, count);
}

/// The first few of some words, for a gap's detail.
fn first_few(words: impl IntoIterator<Item = String>) -> String {
    const MOST: usize = 8;
    let words: Vec<String> = words.into_iter().collect();
    let shown = words.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if words.len() > MOST { format!("{shown} and {} more", words.len() - MOST) } else { shown }
}
