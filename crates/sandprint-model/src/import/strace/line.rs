//! One line of an strace log, taken apart. Knows strace's notation, and nothing of processes.

use std::borrow::Cow;

use super::held::Shares;
use crate::ByteString;
use crate::errno::{self, Errno};

/// A line: whose it is, when, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Line<'l> {
    /// The thread, where the line names it (`-f`).
    pub pid: Option<u32>,
    /// The thread's name (`-Y`).
    pub comm: Option<&'l [u8]>,
    /// When (`-t`, `-tt`, `-ttt`, `-r`, and `--timestamps` in every precision).
    pub time: Option<Time>,
    /// The number that strace was asked to print (`-n`).
    pub number: Option<u32>,
    /// Whether it begins with a space.
    pub is_indented: bool,
    /// What happened.
    pub event: Event<'l>,
}

impl Default for Event<'_> {
    fn default() -> Self {
        Event::Unknown(b"")
    }
}

/// When a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    /// Nanoseconds since midnight, somewhere.
    OfDay(u64),
    /// Nanoseconds since 1970 UTC.
    Unix(u64),
    /// Nanoseconds since the line before.
    SinceLast(u64),
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event<'l> {
    /// A call is entered.
    Call(Call<'l>),
    /// `<... NAME resumed>`: the end of a call whose beginning is on an earlier line.
    Resumed {
        /// The call.
        name: &'l [u8],
        /// What follows: the rest of the arguments and the result.
        rest: &'l [u8],
    },
    /// The end of a line that a message of strace's own had interrupted.
    Continued(&'l [u8]),
    /// A signal; nothing for us.
    Signal,
    /// `+++ exited with N +++`
    Exited(u8),
    /// `+++ killed by SIGNAL +++`
    Killed(u8),
    /// `+++ superseded by execve in pid N +++`
    Superseded(u32),
    /// `[ Process PID=N runs in M mode. ]`
    Personality(Personality),
    /// strace attached to a process.
    Attached(u32),
    /// Something of strace's own that says nothing about calls.
    Chatter,
    /// Anything else: perhaps the end of a line that was interrupted.
    Unknown(&'l [u8]),
}

/// A call as it is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call<'l> {
    /// Its name as strace prints it.
    pub name: &'l [u8],
    /// Everything behind the opening parenthesis, up to the end of the line.
    pub text: &'l [u8],
    /// Whether the end of the call is on this line.
    pub end: CallEnd,
}

impl<'l> Call<'l> {
    /// The text of a call that does not end on its line, as far as it is of its arguments. None where these are not
    /// there.
    pub(super) fn begun(&self) -> Option<&'l [u8]> {
        let text = self.text.trim_ascii_end();
        match self.end {
            CallEnd::Result => Some(b""),
            CallEnd::Unknown => None,
            CallEnd::Open => Some(self.text),
            // The name of who says it stands before: `SIGCHLDstrace: Process 7 attached`.
            CallEnd::Attaching(_) => {
                let before = text.get(..find_last(text, b": Process ")?)?;
                before.strip_suffix(b"strace")
            }
            CallEnd::Pending | CallEnd::Superseding => {
                let before = text.get(..find_last(text, b"<")?)?;
                Some(before.strip_suffix(b" ").unwrap_or(before))
            }
        }
    }
}

/// How the line of a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallEnd {
    /// With a result.
    Result,
    /// `<unfinished ...>`, `<detached ...>`
    Pending,
    /// `<pid changed to N ...>`: a thread's execve.
    Superseding,
    /// Interrupted by strace's own message that it attached to this process.
    Attaching(u32),
    /// In the middle.
    Open,
    /// Only its end is there.
    Unknown,
}

/// A way of making calls, as strace names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Personality {
    /// The 64-bit ABI.
    Bits64,
    /// The 32-bit ABI.
    Bits32,
    /// x32.
    X32,
}

/// The text without the colours of `--color`. Whatever the workload writes stands in strings, where the byte that colours
/// begin with is escaped.
pub(super) fn without_colours(text: &[u8]) -> Cow<'_, [u8]> {
    const ESCAPE: u8 = 0x1b;
    if !text.contains(&ESCAPE) {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == ESCAPE) {
        let (before, behind) = rest.split_at_checked(at).unwrap_or((rest, b""));
        plain.extend_from_slice(before);
        let parameters = behind.strip_prefix(b"\x1b[").unwrap_or_default();
        let length = parameters.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b';')).count();
        rest = if parameters.get(length) == Some(&b'm') {
            parameters.get(length + 1..).unwrap_or_default()
        } else {
            plain.push(ESCAPE);
            behind.get(1..).unwrap_or_default()
        };
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

pub(super) fn parse(text: &[u8]) -> Line<'_> {
    let mut line = Line { is_indented: text.starts_with(b" "), ..Line::default() };
    let mut rest = text.strip_suffix(b"\r").unwrap_or(text);
    // A line that goes on with what a message had interrupted has no beginning of its own.
    if is_continuation(rest) {
        line.event = Event::Continued(rest);
        return line;
    }
    if is_stack_frame(rest) || is_dump(rest) {
        line.event = Event::Chatter;
        return line;
    }
    if let Some((owner, behind)) = take_pid(rest) {
        (line.pid, line.comm, rest) = (Some(owner.pid), owner.comm, behind);
    }
    if let Some((time, behind)) = take_time(rest) {
        (line.time, rest) = (Some(time), behind);
    }
    while let Some((bracket, behind)) = take_bracket(rest) {
        match bracket {
            Bracket::Personality(personality) => {
                line.event = Event::Personality(personality);
                return line;
            }
            Bracket::Number(number) => line.number = Some(number),
            Bracket::Other => {}
        }
        rest = behind;
    }
    line.event = event(rest);
    line
}

fn event(text: &[u8]) -> Event<'_> {
    if let Some(inner) = between(text, b"+++ ", b" +++") {
        return ended(inner);
    }
    if text.starts_with(b"--- ") && text.ends_with(b" ---") {
        return Event::Signal;
    }
    if let Some(rest) = text.strip_prefix(b"<... ") {
        return resumed(rest);
    }
    let (program, message) = said_by(text).unwrap_or((b"", text));
    if let Some(pid) = attached(message) {
        return Event::Attached(pid);
    }
    let is_stracer = find(program, b"strace").is_some();
    if is_stracer || (message.starts_with(b"Process ") && message.ends_with(b" detached")) {
        return Event::Chatter;
    }
    call(text).map_or(Event::Unknown(text), Event::Call)
}

/// Who says something, by the name that strace was called by, which may be a path; and what.
fn said_by(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = find(text, b": ")?;
    let (program, message) = (text.get(..at)?, text.get(at + 2..)?);
    let is_name = |byte: &u8| !byte.is_ascii_whitespace() && !matches!(byte, b'(' | b'"' | b'=' | b'{');
    program.iter().all(is_name).then_some((program, message))
}

fn call(text: &[u8]) -> Option<Call<'_>> {
    let length =
        text.iter().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'#')))?;
    let (name, behind) = text.split_at_checked(length)?;
    let text = behind.strip_prefix(b"(")?;
    if name.is_empty() || name.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(Call { name, text, end: call_end(text) })
}

fn call_end(text: &[u8]) -> CallEnd {
    let text = text.trim_ascii_end();
    for pending in [&b"<unfinished ...>"[..], b"<detached ...>"] {
        if text.ends_with(pending) {
            return CallEnd::Pending;
        }
    }
    if text.ends_with(b" ...>") && find_last(text, b"<pid changed to ").is_some() {
        return CallEnd::Superseding;
    }
    if let Some(at) = find_last(text, b": Process ")
        && let Some(pid) = text.get(at + 2..).and_then(attached)
    {
        return CallEnd::Attaching(pid);
    }
    if result(text).is_some() { CallEnd::Result } else { CallEnd::Open }
}

/// What a call returned: the text behind the last `) = `.
pub(super) fn result(text: &[u8]) -> Option<&[u8]> {
    let follows_parenthesis =
        |at: usize| text.get(..at).is_some_and(|before| before.trim_ascii_end().ends_with(b")"));
    let mut equals = text.windows(3).enumerate().rev().filter(|(_, window)| *window == b" = ");
    equals.find(|(at, _)| follows_parenthesis(*at)).and_then(|(at, _)| text.get(at + 3..))
}

/// The error that a call failed with: `-1 ENOENT (No such file or directory)`, `-1 (errno 2)`.
///
/// What the kernel makes again is none (`? ERESTARTSYS`), and neither is a number that is below zero and stands alone.
pub(super) fn error(result: &[u8]) -> Option<Errno> {
    let rest = result.strip_prefix(b"-1 ")?;
    if let Some(number) = rest.strip_prefix(b"(errno ") {
        let number = u16::try_from(leading_number(number)?).ok()?;
        return (1..=Errno::MOST).contains(&number).then_some(Errno(number));
    }
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let name = str::from_utf8(rest.get(..length)?).ok()?;
    let internal = || INTERNAL.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    errno::number(name).or_else(internal).map(Errno)
}

/// Errors that should not leave the kernel, and do (include/linux/errno.h).
const INTERNAL: &[(&str, u16)] = &[
    ("ENOIOCTLCMD", 515),
    ("EPROBE_DEFER", 517),
    ("EOPENSTALE", 518),
    ("ENOPARAM", 519),
    ("EBADHANDLE", 521),
    ("ENOTSYNC", 522),
    ("EBADCOOKIE", 523),
    ("ENOTSUPP", 524),
    ("ETOOSMALL", 525),
    ("ESERVERFAULT", 526),
    ("EBADTYPE", 527),
    ("EJUKEBOX", 528),
    ("EIOCBQUEUED", 529),
    ("ERECALLCONFLICT", 530),
];

/// The process or thread that a successful clone, fork or vfork made, as the log names it.
pub(super) fn child(result: &[u8]) -> Option<u32> {
    // `-e raw=` and `-X raw` print it in hexadecimal.
    let own = match result.strip_prefix(b"0x") {
        Some(digits) => {
            let length = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            u32::from_str_radix(str::from_utf8(digits.get(..length)?).ok()?, 16).ok()?
        }
        None => leading_number(result)?,
    };
    let outside = find_last(result, b"/* ").and_then(|at| result.get(at + 3..));
    let outside = outside.filter(|text| find(text, b" in strace's PID NS */").is_some());
    let pid = outside.and_then(leading_number).unwrap_or(own);
    (pid > 0).then_some(pid)
}

/// Whether the flags of a clone ask for a thread, by name or as a number (`-X raw`).
pub(super) fn makes_thread(text: &[u8]) -> bool {
    clone_has(text, b"CLONE_THREAD", 0x0001_0000)
}

/// What a clone shares with its parent, by its flags.
pub(super) fn shares(text: &[u8]) -> Shares {
    Shares { table: clone_has(text, b"CLONE_FILES", 0x400), position: clone_has(text, b"CLONE_FS", 0x200) }
}

fn clone_has(text: &[u8], name: &[u8], bit: u64) -> bool {
    let raw = || {
        // With `-e raw` the flags are the first register.
        let start = find(text, b"flags=0x").map_or(0, |at| at + b"flags=".len());
        let digits = text.get(start..)?.strip_prefix(b"0x")?;
        let length = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        u64::from_str_radix(str::from_utf8(digits.get(..length)?).ok()?, 16).ok()
    };
    let is_named = find(text, name).is_some_and(|at| {
        text.get(at + name.len()).is_none_or(|next| !(next.is_ascii_alphanumeric() || *next == b'_'))
    });
    is_named || raw().is_some_and(|flags| flags & bit != 0)
}

/// An argument without the name that `-N` gives it.
pub(super) fn unnamed(text: &[u8]) -> &[u8] {
    let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    match text.get(length..).and_then(|rest| rest.strip_prefix(b"=")) {
        Some(value) if length > 0 => value,
        _ => text,
    }
}

/// The text of a C string that begins here, and what follows it. `None` where there is no string.
pub(super) fn c_string(text: &[u8]) -> Option<(ByteString, &[u8])> {
    let mut bytes = Vec::new();
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        let (first, behind) = rest.split_first()?;
        rest = behind;
        match first {
            b'"' => break,
            b'\\' => {
                let (escape, behind) = rest.split_first()?;
                let (byte, behind) = match escape {
                    b'n' => (b'\n', behind),
                    b't' => (b'\t', behind),
                    b'r' => (b'\r', behind),
                    b'v' => (0x0b, behind),
                    b'f' => (0x0c, behind),
                    b'x' => digits(behind, 2, 16)?,
                    b'0'..=b'7' => digits(rest, 3, 8)?,
                    other => (*other, behind),
                };
                bytes.push(byte);
                rest = behind;
            }
            byte => bytes.push(*byte),
        }
    }
    Some((ByteString::new(bytes), rest))
}

/// The strings of an argument vector such as `["ls", "/tmp"]`. One that strace cut keeps its `...`.
pub(super) fn c_strings(text: &[u8]) -> Option<Vec<ByteString>> {
    let mut rest = text.strip_prefix(b"[")?;
    let mut strings = Vec::new();
    while !rest.starts_with(b"]") {
        let (string, behind) = c_string(rest)?;
        rest = behind;
        match rest.strip_prefix(b"...") {
            Some(behind) => {
                rest = behind;
                strings.push(ByteString::new([string.as_bytes(), b"..."].concat()));
            }
            None => strings.push(string),
        }
        rest = rest.strip_prefix(b", ").unwrap_or(rest);
    }
    Some(strings)
}

/// At most `most` digits of a base, and what follows them.
fn digits(text: &[u8], most: usize, base: u32) -> Option<(u8, &[u8])> {
    let length = text.iter().take(most).take_while(|byte| char::from(**byte).is_digit(base)).count();
    let (number, rest) = text.split_at_checked(length)?;
    let number = u32::from_str_radix(str::from_utf8(number).ok()?, base).ok()?;
    Some((u8::try_from(number & 0xff).ok()?, rest))
}

fn ended(text: &[u8]) -> Event<'_> {
    if let Some(code) = text.strip_prefix(b"exited with ").and_then(leading_number) {
        return Event::Exited(u8::try_from(code & 0xff).unwrap_or_default());
    }
    if let Some(name) = text.strip_prefix(b"killed by ") {
        let name = name.strip_suffix(b" (core dumped)").unwrap_or(name);
        return signal_number(name).map_or(Event::Unknown(text), Event::Killed);
    }
    match text.strip_prefix(b"superseded by execve in pid ").and_then(leading_number) {
        Some(pid) => Event::Superseded(pid),
        None => Event::Unknown(text),
    }
}

fn resumed(rest: &[u8]) -> Event<'_> {
    let Some(at) = find(rest, b" resumed>") else { return Event::Unknown(rest) };
    match (rest.get(..at), rest.get(at + b" resumed>".len()..)) {
        (Some(name), Some(rest)) if !name.is_empty() => Event::Resumed { name, rest },
        _ => Event::Unknown(rest),
    }
}

/// `Process N attached`, also `attached with M threads`.
fn attached(text: &[u8]) -> Option<u32> {
    let rest = text.strip_prefix(b"Process ")?;
    let (pid, behind) =
        rest.split_at_checked(rest.iter().take_while(|byte| byte.is_ascii_digit()).count())?;
    let behind = behind.strip_prefix(b" attached")?;
    let threads = between(behind, b" with ", b" threads");
    let is_whole = behind.is_empty() || threads.is_some_and(|count| count.iter().all(u8::is_ascii_digit));
    is_whole.then(|| leading_number(pid)).flatten()
}

fn is_continuation(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let starts = [&b") "[..], b")\t", b", ", b"}, ", b"], ", b"<unfinished ...>", b"<detached ...>"];
    starts.iter().any(|start| text.starts_with(start))
}

/// A line of `-k`: ` > /usr/lib/libc.so.6(read+0x13) [0xfb1b3]`.
fn is_stack_frame(text: &[u8]) -> bool {
    text.starts_with(b" > ")
}

/// A line of `-e read=` and `-e write=`: ` | 00000  7f 45 ...` and ` * 12 bytes in buffer 0`.
fn is_dump(text: &[u8]) -> bool {
    let digits =
        text.strip_prefix(b" | ").map(|rest| rest.iter().take_while(|b| b.is_ascii_hexdigit()).count());
    digits.is_some_and(|count| count >= 5)
        || (text.starts_with(b" * ") && find(text, b" bytes in buffer ").is_some())
}

/// Whose a line is.
struct Owner<'l> {
    pid: u32,
    comm: Option<&'l [u8]>,
}

/// `[pid 12] `, `[pid 12<comm>] `, `12 `, `12<comm> `, and with `-Y`'s PID namespaces
/// `12 /* 3 in strace's PID NS */ `.
fn take_pid(text: &[u8]) -> Option<(Owner<'_>, &[u8])> {
    let (inner, bracketed) = match text.strip_prefix(b"[pid ") {
        Some(inner) => (inner.trim_ascii_start(), true),
        None => (text, false),
    };
    let length = inner.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, mut rest) = inner.split_at_checked(length)?;
    // A larger number is a time in whole seconds (PID_MAX_LIMIT, linux/threads.h).
    let pid = leading_number(number).filter(|pid| bracketed || *pid <= 1 << 22)?;
    let mut comm = None;
    if let Some(named) = rest.strip_prefix(b"<") {
        // A name may hold any byte, `>` too; what ends it is `>` with what must follow.
        let end = find(named, if bracketed { b">]" } else { b"> " })?;
        comm = named.get(..end);
        rest = named.get(end + 1..)?;
    }
    if let Some(comment) = rest.trim_ascii_start().strip_prefix(b"/* ") {
        rest = comment.get(find(comment, b" */")? + 3..)?;
    }
    let rest = if bracketed { rest.strip_prefix(b"]")? } else { rest };
    let rest = rest.strip_prefix(b" ")?;
    // `-r` pads its times with spaces, which belong to the time.
    let rest = if take_time(rest).is_some() { rest } else { rest.trim_ascii_start() };
    Some((Owner { pid, comm }, rest))
}

/// A time at the beginning of the text, and what follows it.
fn take_time(text: &[u8]) -> Option<(Time, &[u8])> {
    let start = text.trim_ascii_start();
    let length = start.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b':' | b'.')).count();
    let (word, rest) = start.split_at_checked(length)?;
    let rest = rest.strip_prefix(b" ")?;
    let time = match word.split(|byte| *byte == b':').collect::<Vec<_>>().as_slice() {
        [hours, minutes, seconds] => {
            let whole = |word: &[u8]| (word.len() == 2).then(|| leading_number(word)).flatten();
            let minutes = u64::from(whole(hours)?) * 60 + u64::from(whole(minutes)?);
            Time::OfDay(minutes.checked_mul(60_000_000_000)?.checked_add(nanoseconds(seconds)?)?)
        }
        // Whole seconds look like a PID: this is asked where none can stand, behind one or behind spaces.
        [seconds] if !seconds.is_empty() => {
            // A relative time of more than three years is none.
            const LONGEST: u64 = 100_000_000 * 1_000_000_000;
            let nanoseconds = nanoseconds(seconds)?;
            if nanoseconds < LONGEST { Time::SinceLast(nanoseconds) } else { Time::Unix(nanoseconds) }
        }
        _ => return None,
    };
    // Both kinds at once: the relative one stands behind, in parentheses.
    let rest = match rest.strip_prefix(b"(+") {
        Some(relative) => relative.get(find(relative, b") ")? + 2..)?,
        None => rest,
    };
    Some((time, rest))
}

/// Seconds with or without a fraction, as nanoseconds.
fn nanoseconds(word: &[u8]) -> Option<u64> {
    let text = str::from_utf8(word).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{fraction:0<9}").parse::<u64>().ok()?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(fraction)
}

/// What stands in brackets before a call.
enum Bracket {
    /// `-n`
    Number(u32),
    Personality(Personality),
    /// An instruction pointer (`-i`), a security context, an unknown number.
    Other,
}

fn take_bracket(text: &[u8]) -> Option<(Bracket, &[u8])> {
    let inner = text.strip_prefix(b"[")?;
    let end = find(inner, b"]")?;
    let (inner, behind) = (inner.get(..end)?, inner.get(end + 1..)?);
    if let Some(personality) = personality(inner) {
        return Some((Bracket::Personality(personality), behind));
    }
    let rest = behind.strip_prefix(b" ")?;
    let word = inner.trim_ascii();
    let is_pointer =
        matches!(inner.len(), 8 | 16) && inner.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'?');
    let bracket = if is_pointer || word == b"???" {
        Bracket::Other
    } else if word.iter().all(u8::is_ascii_digit) {
        Bracket::Number(leading_number(word)?)
    } else if word.contains(&b':') {
        Bracket::Other
    } else {
        return None;
    };
    Some((bracket, rest))
}

fn personality(inner: &[u8]) -> Option<Personality> {
    let text = between(inner.trim_ascii(), b"Process PID=", b" mode.")?;
    let mode = text.get(find(text, b" runs in ")? + b" runs in ".len()..)?;
    match mode {
        b"64 bit" => Some(Personality::Bits64),
        b"32 bit" => Some(Personality::Bits32),
        b"x32" => Some(Personality::X32),
        _ => None,
    }
}

/// Signal numbers of x86 and ARM (signal(7)).
fn signal_number(name: &[u8]) -> Option<u8> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name = str::from_utf8(name).ok()?.strip_prefix("SIG")?;
    if name == "RTMIN" {
        return Some(32);
    }
    if let Some(number) = name.strip_prefix("RT_") {
        return number.parse::<u8>().ok()?.checked_add(32).filter(|number| *number <= 64);
    }
    let at = NAMES.iter().position(|known| *known == name)?;
    u8::try_from(at + 1).ok()
}

/// The decimal number that the text begins with.
fn leading_number(text: &[u8]) -> Option<u32> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(text.get(..length)?).ok()?.parse().ok()
}

pub(super) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, others) = wanted.split_first()?;
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let at = rest.iter().position(|byte| byte == first)?;
        if rest.get(at + 1..)?.starts_with(others) {
            return Some(from + at);
        }
        from += at + 1;
    }
}

pub(super) fn find_last(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).rposition(|window| window == wanted)
}

fn between<'t>(text: &'t [u8], start: &[u8], end: &[u8]) -> Option<&'t [u8]> {
    text.strip_prefix(start)?.strip_suffix(end)
}
