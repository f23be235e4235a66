//! The serialized form of [`Trace`] and [`Policy`]: JSON, one version number, nothing lost on the way.
//!
//! Nothing else in sandprint knows it. What holds for both documents:
//!
//! - `format` names the document, `version` its schema; `tool` says what wrote it and decides nothing.
//! - A field that this version does not know is refused, not skipped: a fact that is silently left out
//!   makes a policy too tight. So every change to the form raises [`VERSION`], and a sandprint reads its
//!   own version and every older one.
//! - A call is (`abi`, `nr`). Its `name` is there for people: it is checked only where it contradicts this
//!   program's table, so that a table which knows more or fewer names reads the same document.
//! - Bytes that came from the workload are written as [`ByteString::escaped`](crate::ByteString::escaped)
//!   gives them.
//! - The order is fixed, and one line holds one run, image, gap, (run, image, call) or error of it: a text diff shows
//!   what changed.
//!
//! Changes by version:
//!
//! - 1: the first. Before its release a call got `arguments`, and a trace `results`; one without any is written as
//!   before.

mod arguments;
mod content;
mod document;
mod layout;
mod policy_toml;
mod policy_v1;
mod rows;
mod trace_v1;

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use crate::{Abi, ByteString, Policy, Trace};

pub use policy_toml::{
    MOST_BYTES as POLICY_FILE_MOST_BYTES, PolicyFile, Position, Problem, condition_from_words,
    condition_in_words,
};

/// The version that is written, and the newest that is read.
pub const VERSION: u32 = 1;

/// How much of a trace is read at a time.
const PIECE: usize = 64 << 10;

/// The JSON Schema (2020-12) of a serialized [`Trace`].
pub const TRACE_SCHEMA: &str = include_str!("../schema/trace-v1.schema.json");

/// The JSON Schema (2020-12) of a serialized [`Policy`].
pub const POLICY_SCHEMA: &str = include_str!("../schema/policy-v1.schema.json");

/// The JSON Schema (2020-12) of a policy file ([`PolicyFile`]), read as the data that its TOML means.
pub const POLICY_FILE_SCHEMA: &str = include_str!("../schema/policy-file-v1.schema.json");

/// A trace as text. The same trace gives the same text on every machine.
pub fn encode_trace(trace: &Trace) -> String {
    layout::text(|out| trace_v1::write(trace, out))
}

/// Writes what [`encode_trace`] gives, as it comes, and flushes it.
pub fn write_trace(trace: &Trace, out: impl Write) -> io::Result<()> {
    trace_v1::write(trace, out)
}

/// Reads what [`encode_trace`] wrote.
pub fn decode_trace(bytes: &[u8]) -> Result<Trace, DecodeError> {
    trace_v1::decode(without_mark(bytes))
}

/// Reads what [`encode_trace`] wrote, row by row: the text is never in memory as a whole, unless it is wrong and is
/// read again to say how.
pub fn read_trace(mut source: impl Read + Seek) -> io::Result<Result<Trace, DecodeError>> {
    let start = source.stream_position()?;
    if let Some(trace) = trace_v1::read(BufReader::with_capacity(PIECE, &mut source)) {
        return Ok(Ok(trace));
    }
    source.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    Ok(decode_trace(&bytes))
}

/// Writes a policy. The same policy gives the same text on every machine.
pub fn encode_policy(policy: &Policy) -> String {
    layout::text(|out| policy_v1::write(policy, out))
}

/// Reads what [`encode_policy`] wrote.
pub fn decode_policy(bytes: &[u8]) -> Result<Policy, DecodeError> {
    let bytes = without_mark(bytes);
    document::check(Document::Policy, bytes)?;
    policy_v1::decode(bytes)
}

/// A text without the mark that editors of Windows put in front of UTF-8 (U+FEFF), which is no part of it.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// A kind of document that sandprint reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// A serialized [`Policy`].
    Policy,
    /// A serialized [`Trace`].
    Trace,
}

impl Document {
    /// What it is called in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Document::Policy => "policy",
            Document::Trace => "trace",
        }
    }

    /// What its `format` field says.
    fn format(self) -> &'static str {
        match self {
            Document::Policy => "sandprint-policy",
            Document::Trace => "sandprint-trace",
        }
    }
}

/// What a file is that was no sandprint document of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LooksLike {
    /// A sandprint policy.
    Policy,
    /// A sandprint trace.
    Trace,
    /// A trace of the upstream tool, version 0.1, which can be imported.
    Sandprint01,
    /// A seccomp profile for a container runtime.
    SeccompProfile,
    /// Some other JSON.
    OtherJson,
}

impl LooksLike {
    /// What it is, in a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            LooksLike::Policy => "it is a sandprint policy",
            LooksLike::Trace => "it is a sandprint trace",
            LooksLike::Sandprint01 => "it looks like a trace of sandprint 0.1, which can be imported",
            LooksLike::SeccompProfile => "it looks like a seccomp profile of a container runtime",
            LooksLike::OtherJson => "it is JSON of another kind",
        }
    }
}

/// Why bytes could not be read as a trace or a policy.
///
/// Lines and columns count from 1, columns in bytes. Text from the file is escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is nothing to read.
    #[error("the {} is empty", document.noun())]
    Empty {
        /// What was expected.
        document: Document,
    },
    /// The JSON stops in the middle.
    #[error("the {} ends too early, at line {line}, column {column}", document.noun())]
    Truncated {
        /// What was expected.
        document: Document,
        /// Where it ends.
        line: usize,
        /// Where it ends.
        column: usize,
    },
    /// It is no JSON.
    #[error("the {} is no valid JSON at line {line}, column {column}: {problem}", document.noun())]
    Syntax {
        /// What was expected.
        document: Document,
        /// Where.
        line: usize,
        /// Where.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// It is JSON of another kind.
    #[error("this is no sandprint {}: {}", document.noun(), looks_like.in_words())]
    Foreign {
        /// What was expected.
        document: Document,
        /// What it is instead.
        looks_like: LooksLike,
    },
    /// It was written by a newer sandprint.
    #[error(
        "this {} has version {found}; this sandprint reads up to {VERSION}: get a newer sandprint",
        document.noun()
    )]
    Newer {
        /// What was expected.
        document: Document,
        /// Its version.
        found: String,
    },
    /// A field is missing, unknown, there twice, or of the wrong type.
    #[error("the {} does not follow its schema at line {line}, column {column}: {problem}", document.noun())]
    Shape {
        /// What was expected.
        document: Document,
        /// Where.
        line: usize,
        /// Where.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A value is of the right type and still cannot be.
    #[error("the {} holds an impossible value: {path} {problem}", document.noun())]
    Content {
        /// What was expected.
        document: Document,
        /// Where, as a JSON path.
        path: String,
        /// What is wrong there.
        problem: ContentProblem,
    },
}

/// What is wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentProblem {
    /// A row of a table that is not there.
    #[error("is {index}, but there are only {rows} {table}")]
    NoSuchRow {
        /// Which table.
        table: &'static str,
        /// The index.
        index: u32,
        /// How many rows it has.
        rows: usize,
    },
    /// The same thing is listed twice.
    #[error("is listed a second time")]
    Repeated,
    /// Arguments without values: a call that was seen had some.
    #[error("lists no value")]
    NoValues,
    /// A file to which nothing was done: there is no such fact.
    #[error("has no right, and a file is listed for what was done to it")]
    NoRights,
    /// More values than there can be.
    #[error("lists {found} values, more than {most}")]
    TooManyValues {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A call without rules: it would say nothing.
    #[error("is empty")]
    NoRules,
    /// No run id.
    #[error("is `{0}`, which is no run id (32 lower-case hexadecimal digits)")]
    RunId(String),
    /// A word that is none of the expected ones.
    #[error("is `{found}`, which is no {expected}")]
    Word {
        /// What it should have been.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A backslash that escaping cannot have written.
    #[error("holds a backslash that is no escape (`\\\\` or `\\xNN`)")]
    Escape,
    /// A name that belongs to another number.
    #[error("is {nr}, but its name is `{name}`, which is {named} in {abi}")]
    NameContradicts {
        /// The ABI.
        abi: Abi,
        /// The number.
        nr: u32,
        /// The name beside it.
        name: String,
        /// That name's number.
        named: u32,
    },
    /// The name of an error that belongs to another number.
    #[error("is {errno}, but its name is `{name}`, which is {named}")]
    ErrorContradicts {
        /// The number.
        errno: u16,
        /// The name beside it.
        name: String,
        /// That name's number.
        named: u16,
    },
    /// A number outside its range.
    #[error("is {found}, above {most}")]
    TooLarge {
        /// What it is.
        found: u64,
        /// What it may be at most.
        most: u64,
    },
    /// A masked comparison without its mask, or a mask beside another comparison.
    #[error("belongs to `masked-equal`, and only to it")]
    Mask,
    /// A run says how it was recorded only in part.
    #[error("has only one of `recorder` and `tool_version`, or other fields without them")]
    HalfKnownRun,
}

/// Text from a file, made fit for an error message.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut escaped = ByteString::from(text).escaped();
    if escaped.chars().count() > LONGEST {
        escaped = escaped.chars().take(LONGEST).collect();
        escaped.push('…');
    }
    escaped
}

#[cfg(test)]
mod tests;
