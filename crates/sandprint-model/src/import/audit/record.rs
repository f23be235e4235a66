//! One line of an audit log, taken apart.
//!
//! The kernel writes text from the workload in quotes, or in hexadecimal digits where it holds a quote, a
//! space or a byte that is not printable (`audit_log_untrustedstring`, kernel/audit.c). auditd in its enriched
//! format adds the same fields again as names, after a byte 0x1d. `ausearch -i` replaces numbers by names and
//! leaves the quotes out.

use crate::{Abi, ByteString, Syscall};

/// What a line holds.
pub(super) enum Found<'l> {
    /// Nothing about calls.
    Nothing,
    /// A record of a call.
    Record(Record<'l>),
    /// A record of an operation of `io_uring` by the kernel's own thread: its event, and the operation, escaped and cut.
    Uring(Option<Event<'l>>, String),
    /// A record of a call without what one must have.
    Broken,
    /// So many lines were left out by the kernel's rate limit.
    Suppressed(u64),
    /// So many records have been lost since the machine started.
    Lost(u64),
    /// A limit was exceeded, and some number of records was dropped.
    Dropping,
}

/// A record of a call.
pub(super) struct Record<'l> {
    /// The event it belongs to, where the line says.
    pub event: Option<Event<'l>>,
    pub call: Call,
    /// The process.
    pub pid: u32,
    pub comm: ByteString,
    /// The executable; empty where the record does not name it.
    pub exe: ByteString,
    /// Whether the call submits operations, if it is `io_uring_enter`.
    pub submits: bool,
}

/// Names an event: on which machine, when, and its serial number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event<'l> {
    pub node: &'l [u8],
    /// Milliseconds since 1970; `None` where the time was made readable.
    pub at_ms: Option<u64>,
    pub serial: u64,
}

/// The call of a record.
pub(super) enum Call {
    Is(Syscall),
    /// Escaped and cut.
    UnknownMachine(String),
    /// Escaped and cut.
    UnknownName(String),
}

pub(super) fn find(line: &[u8]) -> Found<'_> {
    if let Some(lost) = losses(line) {
        return lost;
    }
    let Some((kind, event, text)) = record(line) else { return Found::Nothing };
    if kind == Kind::Uring {
        let operation = Fields::of(text).number(b"uring_op").map(cut);
        return operation.map_or(Found::Broken, |operation| Found::Uring(event, operation));
    }
    let record = match interpreted(kind, text) {
        Some(fields) => fields.record(event),
        None => Fields::of(text).record(kind, event),
    };
    record.map_or(Found::Broken, Found::Record)
}

/// The kinds of records about calls. Two have the same fields in another order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `comm= exe= sig= arch= syscall=` (`audit_seccomp`, kernel/auditsc.c)
    Seccomp,
    /// `arch= syscall= ... comm= exe= subj= key=` (`audit_log_exit`, kernel/auditsc.c)
    Syscall,
    /// `uring_op= success= ... pid=` (`audit_log_uring`, kernel/auditsc.c)
    Uring,
}

impl Kind {
    /// The kind of a record of that type, by its name or its number.
    fn of(name: &[u8]) -> Option<Kind> {
        // journald writes AUDIT1336 for a type that it does not know.
        let number = [&b"UNKNOWN["[..], b"AUDIT"].into_iter().find_map(|start| name.strip_prefix(start));
        match number.map_or(name, |number| number.strip_suffix(b"]").unwrap_or(number)) {
            b"SECCOMP" | b"1326" => Some(Kind::Seccomp),
            b"SYSCALL" | b"1300" => Some(Kind::Syscall),
            b"URINGOP" | b"1336" => Some(Kind::Uring),
            _ => None,
        }
    }
}

/// Where the fields of a SYSCALL or SECCOMP record begin, and its event.
fn record(line: &[u8]) -> Option<(Kind, Option<Event<'_>>, &[u8])> {
    let line = without_length(line);
    let Some(id) = position(line, b"audit(") else { return from_journald(line) };
    let head = line.get(..id)?;
    let words = || head.split(u8::is_ascii_whitespace);
    let kind = Kind::of(words().find_map(|word| word.strip_prefix(b"type="))?)?;
    let inner = line.get(id + b"audit(".len()..)?;
    let end = inner.iter().position(|byte| *byte == b')')?;
    let (stamp, fields) = (inner.get(..end)?, inner.get(end + 1..)?);
    let colon = stamp.iter().rposition(|byte| *byte == b':')?;
    let event = Event {
        node: words().find_map(|word| word.strip_prefix(b"node=")).unwrap_or_default(),
        at_ms: stamp.get(..colon).and_then(milliseconds),
        serial: decimal(stamp.get(colon + 1..)?)?,
    };
    let fields = fields.trim_ascii_start();
    Some((kind, Some(event), fields.strip_prefix(b":").unwrap_or(fields)))
}

/// A line without the length that `journalctl -o export` writes before a message that is not printable: eight bytes, the
/// last of them zeros, or fewer where one of them was taken for the end of a line.
fn without_length(line: &[u8]) -> &[u8] {
    let head = line.get(..8).unwrap_or_default();
    head.iter().rposition(|byte| *byte == 0).and_then(|at| line.get(at + 1..)).unwrap_or(line)
}

/// What journald makes of a record, without the event: `audit[12]: SECCOMP auid=...`, and the message alone, in which the
/// type comes first (`journalctl -o cat`, and with `MESSAGE=` before it `-o verbose` and `-o export`).
fn from_journald(line: &[u8]) -> Option<(Kind, Option<Event<'_>>, &[u8])> {
    let text = line.trim_ascii_start();
    let message = text.strip_prefix(b"MESSAGE=").unwrap_or(text);
    let kind_of = |text: &'_ [u8]| {
        let end = text.iter().position(|byte| *byte == b' ')?;
        let name = text.get(..end).filter(|name| name.first().is_some_and(u8::is_ascii_uppercase))?;
        Some((Kind::of(name)?, end))
    };
    if let Some((kind, end)) = kind_of(message) {
        let fields = message.get(end..)?;
        // A word in capitals is no record: fields follow.
        return position(fields, b"pid=").is_some().then_some((kind, None, fields));
    }
    let mut from = 0;
    while let Some(at) = position(line.get(from..)?, b": ").map(|at| from + at) {
        let tag = line.get(..at)?.rsplit(u8::is_ascii_whitespace).next()?;
        let is_audit = tag == b"audit" || (tag.starts_with(b"audit[") && tag.ends_with(b"]"));
        let behind = line.get(at + 2..)?;
        if let Some((kind, end)) = kind_of(behind).filter(|_| is_audit) {
            return Some((kind, None, behind.get(end..)?));
        }
        from = at + 2;
    }
    None
}

/// Seconds with three digits behind the point, since 1970.
fn milliseconds(stamp: &[u8]) -> Option<u64> {
    let (seconds, fraction) = str::from_utf8(stamp).ok()?.split_once('.')?;
    let fraction = (fraction.len() == 3).then(|| decimal::<u64>(fraction.as_bytes())).flatten()?;
    decimal::<u64>(seconds.as_bytes())?.checked_mul(1000)?.checked_add(fraction)
}

/// The kernel's words about records that it did not write (kernel/audit.c, lib/ratelimit.c).
fn losses(line: &[u8]) -> Option<Found<'static>> {
    let about_audit = position(line, b"audit").is_some();
    if !about_audit || position(line, b"type=").is_some() {
        return None;
    }
    if let Some(at) = position(line, b" callbacks suppressed") {
        let before = line.get(..at)?;
        return decimal(before.rsplit(u8::is_ascii_whitespace).next()?).map(Found::Suppressed);
    }
    if let Some(at) = position(line, b"audit_lost=") {
        let rest = line.get(at + b"audit_lost=".len()..)?;
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        return decimal(rest.get(..length)?).filter(|total| *total > 0).map(Found::Lost);
    }
    let limits = [&b"rate limit exceeded"[..], b"backlog limit exceeded"];
    limits.iter().any(|limit| position(line, limit).is_some()).then_some(Found::Dropping)
}

/// The fields of a record as the kernel writes them.
pub(super) struct Fields<'l>(Vec<(&'l [u8], Value<'l>)>);

/// A field's value.
#[derive(Clone, Copy)]
pub(super) enum Value<'l> {
    /// In quotes: as it is.
    Quoted(&'l [u8]),
    Bare(&'l [u8]),
}

impl<'l> Fields<'l> {
    pub(super) fn of(mut text: &'l [u8]) -> Fields<'l> {
        let mut fields = Vec::new();
        loop {
            text = text.trim_ascii_start();
            let is_end = |byte: &u8| *byte == b'=' || byte.is_ascii_whitespace();
            let Some((key, rest)) = text.iter().position(is_end).and_then(|at| text.split_at_checked(at))
            else {
                return Fields(fields);
            };
            let Some(rest) = rest.strip_prefix(b"=") else {
                text = rest;
                continue;
            };
            let (value, behind) = if let Some(quoted) = rest.strip_prefix(b"\"") {
                let Some(end) = quoted.iter().position(|byte| *byte == b'"') else { return Fields(fields) };
                (quoted.get(..end).map(Value::Quoted), quoted.get(end + 1..))
            } else {
                let is_end = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x1d;
                let end = rest.iter().position(is_end).unwrap_or(rest.len());
                (rest.get(..end).map(Value::Bare), rest.get(end..))
            };
            let (Some(value), Some(behind)) = (value, behind) else { return Fields(fields) };
            fields.push((key, value));
            // The enriched part holds the same again, under names in capitals.
            text = behind.strip_prefix(b"\x1d").unwrap_or(behind);
        }
    }

    fn get(&self, key: &[u8]) -> Option<Value<'l>> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    pub(super) fn number(&self, key: &[u8]) -> Option<&'l [u8]> {
        match self.get(key) {
            Some(Value::Bare(digits)) => Some(digits),
            _ => None,
        }
    }

    fn text(&self, key: &[u8]) -> ByteString {
        match self.get(key) {
            None | Some(Value::Bare(b"(null)")) => ByteString::default(),
            Some(Value::Quoted(text)) => ByteString::new(text),
            Some(Value::Bare(digits)) => from_hexadecimal(digits).unwrap_or_else(|| ByteString::new(digits)),
        }
    }

    fn record(&self, kind: Kind, event: Option<Event<'l>>) -> Option<Record<'l>> {
        let arch = self.number(b"arch")?;
        let code = u32::from_str_radix(str::from_utf8(arch).ok()?, 16).ok()?;
        // x32 has no code of its own.
        let abi = Abi::ALL.into_iter().find(|abi| abi.audit_arch() == code && *abi != Abi::X32);
        let number = decimal::<i64>(self.number(b"syscall")?)?;
        let pid = self.number(b"pid").and_then(decimal).unwrap_or_default();
        let call = abi.map_or_else(|| Call::UnknownMachine(cut(arch)), |abi| numbered(abi, number));
        let submits = match kind {
            Kind::Seccomp => !self.number(b"code").is_some_and(refuses),
            _ => self.number(b"a1").is_none_or(is_some_number),
        };
        Some(Record { event, call, pid, comm: self.text(b"comm"), exe: self.text(b"exe"), submits })
    }
}

/// The fields of a record that `ausearch -i` has made readable.
struct Interpreted<'l> {
    arch: &'l [u8],
    syscall: &'l [u8],
    pid: &'l [u8],
    comm: &'l [u8],
    exe: &'l [u8],
    submits: bool,
}

/// Finds the fields of interpreted text, where nothing is quoted: a name may hold spaces and `=`. So fields
/// are taken from the side of it that it cannot reach.
fn interpreted(kind: Kind, text: &[u8]) -> Option<Interpreted<'_>> {
    let word = |text: &'_ [u8], at: usize| -> Option<usize> {
        text.get(at..)?.iter().position(u8::is_ascii_whitespace).or(Some(text.len() - at))
    };
    let value = |key: &[u8], last: bool| {
        let at = if last { last_position(text, key)? } else { position(text, key)? } + key.len();
        text.get(at..at + word(text, at)?)
    };
    let is_seccomp = kind == Kind::Seccomp;
    let arch = value(b" arch=", is_seccomp)?;
    if arch.len() == 8 && arch.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let comm = position(text, b" comm=")? + b" comm=".len();
    let ends: &[&[u8]] = if is_seccomp { &[b" sig="] } else { &[b" subj=", b" key="] };
    let end_behind =
        |from: usize| ends.iter().filter_map(|end| last_position(text, end)).filter(|end| *end >= from).min();
    // Not every kernel writes the executable.
    let exe = last_position(text, b" exe=").filter(|exe| *exe >= comm);
    let (name, path) = match exe {
        Some(exe) => {
            let behind = exe + b" exe=".len();
            (text.get(comm..exe)?, text.get(behind..end_behind(behind).unwrap_or(text.len()))?)
        }
        None => (text.get(comm..end_behind(comm).unwrap_or(text.len()))?, &b""[..]),
    };
    let submits = if is_seccomp {
        !value(b" code=", true).is_some_and(refuses)
    } else {
        value(b" a1=", false).is_none_or(is_some_number)
    };
    Some(Interpreted {
        arch,
        syscall: value(b" syscall=", is_seccomp)?,
        pid: value(b" pid=", false)?,
        comm: name,
        exe: path,
        submits,
    })
}

impl<'l> Interpreted<'l> {
    fn record(&self, event: Option<Event<'l>>) -> Option<Record<'l>> {
        let arch = str::from_utf8(self.arch).ok()?;
        // auparse names the machine code of little-endian ARM like this.
        let abi = if arch == "armeb" { Some(Abi::Arm) } else { Abi::from_name(arch) };
        let name = str::from_utf8(self.syscall).ok()?;
        let unknown = name.strip_prefix("unknown-syscall(").and_then(|rest| rest.strip_suffix(')'));
        let number = unknown.unwrap_or(name).parse::<i64>().ok();
        let call = match (abi, number) {
            (None, _) => Call::UnknownMachine(cut(self.arch)),
            (Some(abi), Some(number)) => numbered(abi, number),
            (Some(abi), None) => {
                Syscall::from_name(abi, name).map_or_else(|| Call::UnknownName(cut(self.syscall)), Call::Is)
            }
        };
        let text =
            |text: &[u8]| if text == b"(null)" { ByteString::default() } else { ByteString::new(text) };
        let pid = decimal(self.pid).unwrap_or_default();
        Some(Record { event, call, pid, comm: text(self.comm), exe: text(self.exe), submits: self.submits })
    }
}

/// Whether an argument in hexadecimal digits is not 0, in the 32 bits that the kernel looks at.
fn is_some_number(argument: &[u8]) -> bool {
    let low = argument.get(argument.len().saturating_sub(8)..).unwrap_or(argument);
    low.iter().any(|digit| !matches!(digit, b'0' | b'x'))
}

/// Whether what a filter returned keeps the call from being made, as the kernel or as `ausearch -i` writes it.
fn refuses(code: &[u8]) -> bool {
    const REFUSALS: [u32; 4] = [0x8000_0000, 0, 0x0003_0000, 0x0005_0000];
    let number = || u32::from_str_radix(str::from_utf8(code.strip_prefix(b"0x")?).ok()?, 16).ok();
    match number() {
        Some(number) => REFUSALS.contains(&(number & 0xffff_0000)),
        None => code.starts_with(b"kill") || matches!(code, b"trap" | b"errno"),
    }
}

/// The kernel prints numbers signed, and looks at 32 bits of them.
fn numbered(abi: Abi, number: i64) -> Call {
    Call::Is(Syscall::numbered(abi, u32::try_from(number & 0xffff_ffff).unwrap_or_default()))
}

fn cut(word: &[u8]) -> String {
    ByteString::new(word).escaped().chars().take(40).collect()
}

fn from_hexadecimal(digits: &[u8]) -> Option<ByteString> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let is_digits = digits.iter().all(u8::is_ascii_hexdigit);
    let bytes = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>();
    bytes.filter(|_| is_digits).map(ByteString::new)
}

pub(super) fn decimal<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    str::from_utf8(digits).ok()?.parse().ok()
}

pub(super) fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn last_position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).rposition(|window| window == wanted)
}
