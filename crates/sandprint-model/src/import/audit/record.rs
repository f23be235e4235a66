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
}

/// Names an event: on which machine, when, and its serial number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event<'l> {
    node: &'l [u8],
    /// Milliseconds since 1970; `None` where the time was made readable.
    pub at_ms: Option<u64>,
    serial: u64,
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
    let record = match interpreted(kind, text) {
        Some(fields) => fields.record(event),
        None => Fields::of(text).record(event),
    };
    record.map_or(Found::Broken, Found::Record)
}

/// The two kinds of records about calls. They have the same fields in another order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `comm= exe= sig= arch= syscall=` (`audit_seccomp`, kernel/auditsc.c)
    Seccomp,
    /// `arch= syscall= ... comm= exe= subj= key=` (`audit_log_exit`, kernel/auditsc.c)
    Syscall,
}

/// Where the fields of a SYSCALL or SECCOMP record begin, and its event.
fn record(line: &[u8]) -> Option<(Kind, Option<Event<'_>>, &[u8])> {
    let Some(id) = position(line, b"audit(") else {
        // journald: `audit[12]: SECCOMP auid=...`, without the event.
        let words = [(&b": SECCOMP "[..], Kind::Seccomp), (b": SYSCALL ", Kind::Syscall)];
        let found = words.into_iter().find_map(|(word, kind)| Some((position(line, word)?, word, kind)));
        let (at, word, kind) = found?;
        let tag = line.get(..at)?.rsplit(u8::is_ascii_whitespace).next()?;
        let is_audit = tag == b"audit" || (tag.starts_with(b"audit[") && tag.ends_with(b"]"));
        return is_audit.then(|| Some((kind, None, line.get(at + word.len()..)?))).flatten();
    };
    let head = line.get(..id)?;
    let words = || head.split(u8::is_ascii_whitespace);
    let kind = match words().find_map(|word| word.strip_prefix(b"type="))? {
        b"SECCOMP" | b"1326" | b"UNKNOWN[1326]" => Kind::Seccomp,
        b"SYSCALL" | b"1300" | b"UNKNOWN[1300]" => Kind::Syscall,
        _ => return None,
    };
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
struct Fields<'l>(Vec<(&'l [u8], Value<'l>)>);

/// A field's value.
#[derive(Clone, Copy)]
enum Value<'l> {
    /// In quotes: as it is.
    Quoted(&'l [u8]),
    Bare(&'l [u8]),
}

impl<'l> Fields<'l> {
    fn of(mut text: &'l [u8]) -> Fields<'l> {
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

    fn number(&self, key: &[u8]) -> Option<&'l [u8]> {
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

    fn record(&self, event: Option<Event<'l>>) -> Option<Record<'l>> {
        let arch = self.number(b"arch")?;
        let code = u32::from_str_radix(str::from_utf8(arch).ok()?, 16).ok()?;
        // x32 has no code of its own.
        let abi = Abi::ALL.into_iter().find(|abi| abi.audit_arch() == code && *abi != Abi::X32);
        let number = decimal::<i64>(self.number(b"syscall")?)?;
        let pid = self.number(b"pid").and_then(decimal).unwrap_or_default();
        let call = abi.map_or_else(|| Call::UnknownMachine(cut(arch)), |abi| numbered(abi, number));
        Some(Record { event, call, pid, comm: self.text(b"comm"), exe: self.text(b"exe") })
    }
}

/// The fields of a record that `ausearch -i` has made readable.
struct Interpreted<'l> {
    arch: &'l [u8],
    syscall: &'l [u8],
    pid: &'l [u8],
    comm: &'l [u8],
    exe: &'l [u8],
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
    let exe = last_position(text, b" exe=")?;
    let behind = exe + b" exe=".len();
    let ends: &[&[u8]] = if is_seccomp { &[b" sig="] } else { &[b" subj=", b" key="] };
    let end = ends.iter().filter_map(|end| last_position(text, end)).filter(|end| *end >= behind).min();
    Some(Interpreted {
        arch,
        syscall: value(b" syscall=", is_seccomp)?,
        pid: value(b" pid=", false)?,
        comm: text.get(comm..exe)?,
        exe: text.get(behind..end.unwrap_or(text.len()))?,
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
        Some(Record { event, call, pid, comm: text(self.comm), exe: text(self.exe) })
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

fn decimal<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    str::from_utf8(digits).ok()?.parse().ok()
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn last_position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).rposition(|window| window == wanted)
}
