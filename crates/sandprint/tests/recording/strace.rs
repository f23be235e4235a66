//! The other witness: runs a command under `strace -f` and reads which calls it shows.
//!
//! Written apart from the product's own reader of strace logs, so that one checks the other.
//! A call counts when it is entered, as it does for the recorder, whether or not it returns.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use sandprint_model::{Abi, Syscall};

use crate::calls::Row;

/// `strace`, up to the command: every call with its number, arguments as bare numbers where that can be,
/// and a line wherever a process changes its ABI. `around` goes before it, the log to `log`.
pub(crate) fn command(around: &[&str], log: &Path) -> Command {
    let mut line = around.to_vec();
    line.push("strace");
    let mut command = Command::new(line[0]);
    command.args(&line[1..]);
    command.args(["-f", "-n", "-y", "--quiet=none", "-e", "trace=all", "-e", "raw=!execve,execveat", "-o"]);
    command.arg(log);
    command
}

/// Reads the log that [`command`] made.
pub(crate) fn read(log: &Path) -> Vec<Row> {
    parse(&text(log))
}

/// How often each call failed, and how, whoever made it; the errors by name.
pub(crate) fn read_failed(log: &Path) -> BTreeMap<(&'static str, u32, String), u64> {
    let text = text(log);
    let mut reader = Reader { parents: parents(&text), ..Reader::default() };
    text.lines().for_each(|line| reader.line(line));
    reader.failed
}

/// A call and what it was made with, as far as it has arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) abi: &'static str,
    pub(crate) nr: u32,
    pub(crate) args: Vec<u64>,
}

/// Every call of a log with its arguments, in order; those that start programs are left out, which are not shown raw.
pub(crate) fn read_made(log: &Path) -> Vec<Made> {
    let text = text(log);
    let mut reader = Reader { parents: parents(&text), ..Reader::default() };
    text.lines().for_each(|line| reader.line(line));
    reader.made
}

fn text(log: &Path) -> String {
    let bytes = fs::read(log).expect("strace wrote its log");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The calls of a log, summed by program and call.
///
/// The program is the path as execve was given it; what is started by descriptor has the descriptor's.
pub(crate) fn parse(log: &str) -> Vec<Row> {
    let mut reader = Reader { parents: parents(log), ..Reader::default() };
    for line in log.lines() {
        reader.line(line);
    }
    let rows = reader.counts.into_iter();
    rows.map(|((image, abi, nr, name), count)| Row { image, abi, nr, name, count }).collect()
}

#[derive(Default)]
struct Reader {
    /// Who made whom, as far as return values tell.
    parents: BTreeMap<u32, u32>,
    tasks: BTreeMap<u32, Task>,
    /// The task of the line before.
    last: u32,
    counts: BTreeMap<(String, String, u32, Option<String>), u64>,
    made: Vec<Made>,
    failed: BTreeMap<(&'static str, u32, String), u64>,
}

#[derive(Clone, Default)]
struct Task {
    image: String,
    abi: &'static str,
    /// The call that it made last.
    call: Option<(&'static str, u32)>,
    /// What an execve that has not returned yet would start.
    starting: Option<String>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let Some((pid, rest)) = split_pid(line) else { return };
        let rest = rest.trim_start();
        let number_end = rest.find(']').expect("every line has the number of a call");
        let (number, text) = (rest[1..number_end].trim(), rest[number_end + 1..].trim_start());
        self.admit(pid);
        self.last = pid;
        if text.starts_with("[ Process PID=") {
            self.task(pid).abi = mode(text);
        } else if text.starts_with("---") {
            // A signal.
        } else if let Some(end) = text.strip_prefix("+++ ") {
            if let Some(by) = end.strip_prefix("superseded by execve in pid ") {
                let by: u32 = by.trim_end_matches(" +++").parse().expect("a pid");
                let successor = self.tasks.remove(&by).expect("the one that executes was seen");
                self.tasks.insert(pid, successor);
            } else {
                self.tasks.remove(&pid);
            }
        } else if let Some(resumed) = text.strip_prefix("<... ") {
            self.returned(pid, resumed);
            if resumed.starts_with("execve") {
                self.started(pid, resumed);
            }
        } else {
            self.call(pid, number, text);
        }
    }

    /// Gives a task that appears for the first time its parent's program and ABI.
    fn admit(&mut self, pid: u32) {
        if self.tasks.contains_key(&pid) {
            return;
        }
        // strace gives a new task the ABI of the task that it looked at last.
        let abi = self.tasks.get(&self.last).map_or("x86_64", |task| task.abi);
        let parent = self.parents.get(&pid).and_then(|parent| self.tasks.get(parent));
        let image = parent.map(|task| task.image.clone()).unwrap_or_default();
        self.tasks.insert(pid, Task { image, abi, ..Task::default() });
    }

    fn task(&mut self, pid: u32) -> &mut Task {
        self.tasks.get_mut(&pid).expect("admitted")
    }

    fn call(&mut self, pid: u32, number: &str, text: &str) {
        assert!(!text.starts_with("????"), "strace could not see a call: {text}");
        let name = text.split_once('(').expect("a call has arguments").0;
        if name == "???" {
            // Another thread ends the process, and strace can no longer read what this one was about to call.
            let is_broken_off =
                text.contains("<unfinished ...>") || text.contains("<unavailable>") || text.contains("= ?");
            assert!(is_broken_off, "strace could not see a call: {text}");
            return;
        }
        let nameless = name.strip_prefix("syscall_0x");
        let raw = match nameless {
            // The number -1 has no brackets' worth of digits, only this.
            Some(digits) => {
                let number = u64::from_str_radix(digits, 16).expect("a hexadecimal number");
                u32::try_from(number & u64::from(u32::MAX)).expect("masked")
            }
            None => number.parse().expect("a number in brackets"),
        };
        // Which ABI strace takes a new task for depends on whom it looked at before, so it may change without a line.
        if let Some(abi) = other_abi(self.task(pid).abi, raw, name) {
            self.task(pid).abi = abi;
        }
        let task = self.task(pid).clone();
        let nr = if task.abi == "x32" { raw & !0x4000_0000 } else { raw };
        let name = nameless.is_none().then(|| name.to_owned());
        self.task(pid).call = Some((task.abi, nr));
        self.returned(pid, text);
        let count = |reader: &mut Reader, image: String| {
            *reader.counts.entry((image, task.abi.to_owned(), nr, name.clone())).or_default() += 1;
        };
        if text.starts_with("execve") {
            self.task(pid).starting = Some(target(text));
            // The first one, which nobody in the tree called, belongs to what it starts.
            let image = if task.image.is_empty() { target(text) } else { task.image };
            count(self, image);
            self.started(pid, text);
        } else {
            count(self, task.image);
            self.made.push(Made { abi: task.abi, nr, args: raw_arguments(text) });
        }
        if let Some(child) = child(text) {
            self.parents.insert(child, pid);
            // What the parent starts later is not the child's program.
            if !self.tasks.contains_key(&child) {
                self.last = pid;
                self.admit(child);
            }
        }
    }

    /// Notes the error of a call that a line ends with, if it does.
    fn returned(&mut self, pid: u32, text: &str) {
        let Some((_, end)) = text.rsplit_once(" = -1 ") else { return };
        let error = end.split_whitespace().next().expect("an error has a name");
        let (abi, nr) = self.task(pid).call.expect("it was made before");
        *self.failed.entry((abi, nr, error.to_owned())).or_default() += 1;
    }

    /// Puts the new program into force if this is the line of an execve that succeeded.
    fn started(&mut self, pid: u32, text: &str) {
        if text.trim_end().ends_with("= 0") {
            let task = self.task(pid);
            task.image = task.starting.take().expect("its first half named the program");
        }
    }
}

/// Which task made which, from the return values of the calls that make tasks.
fn parents(log: &str) -> BTreeMap<u32, u32> {
    let lines = log.lines().filter_map(split_pid);
    lines
        .filter_map(|(pid, rest)| {
            let text = rest.split_once(']')?.1.trim_start();
            child(text).map(|child| (child, pid))
        })
        .collect()
}

/// The task that a line says was made.
fn child(text: &str) -> Option<u32> {
    let text = text.strip_prefix("<... ").unwrap_or(text);
    let makes = ["clone", "fork", "vfork"].iter().any(|name| text.starts_with(name));
    let result = makes.then(|| text.rsplit_once("= 0x"))??.1;
    u32::from_str_radix(result.split_whitespace().next()?, 16).ok()
}

fn split_pid(line: &str) -> Option<(u32, &str)> {
    let (pid, rest) = line.split_once(' ')?;
    Some((pid.parse().ok()?, rest))
}

/// The bare numbers of a line, which may break off behind them.
fn raw_arguments(text: &str) -> Vec<u64> {
    let inside = text.split_once('(').expect("a call has arguments").1;
    let inside = inside.split([')', '<']).next().expect("there is a first part").trim().trim_end_matches(',');
    let number = |word: &str| {
        let digits = word.trim().trim_start_matches("0x");
        u64::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("no bare number: {text}"))
    };
    inside.split(',').filter(|word| !word.trim().is_empty()).map(number).collect()
}

/// The ABI in which a number has the name that strace gave it, where that is not the ABI that it was thought to be.
fn other_abi(thought: &str, nr: u32, name: &str) -> Option<&'static str> {
    let fits = |abi: Abi| Syscall { abi, nr }.name() == Some(name);
    let thought = Abi::from_name(thought)?;
    let others = [Abi::X86_64, Abi::I386].into_iter().filter(|abi| *abi != thought);
    if fits(thought) || thought == Abi::X32 {
        None
    } else {
        others.filter(|abi| fits(*abi)).map(Abi::name).next()
    }
}

fn mode(text: &str) -> &'static str {
    match text.split_once("runs in ").map(|(_, mode)| mode) {
        Some("64 bit mode. ]") => "x86_64",
        Some("32 bit mode. ]") => "i386",
        Some("x32 mode. ]") => "x32",
        _ => panic!("a mode that this reader does not know: {text}"),
    }
}

/// The program that an execve line names: a path in quotes, or a descriptor and an empty path.
fn target(text: &str) -> String {
    let quoted = text.split_once('"').map(|(_, rest)| unquote(rest)).expect("execve names a path");
    if !quoted.is_empty() {
        return quoted;
    }
    // "(deleted)" may follow: that is not of the name.
    let path = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    path.expect("execveat names a descriptor").0.to_owned()
}

/// Undoes strace's quoting up to the closing quote; bytes that are no text become `\xNN` as in traces.
fn unquote(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes().iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => break,
            b'\\' => match rest.next() {
                Some(b'n') => bytes.push(b'\n'),
                Some(b't') => bytes.push(b'\t'),
                Some(b'r') => bytes.push(b'\r'),
                Some(b'v') => bytes.push(0x0b),
                Some(b'f') => bytes.push(0x0c),
                Some(digit @ b'0'..=b'7') => {
                    let mut value = u32::from(digit - b'0');
                    for _ in 0..2 {
                        match rest.peek() {
                            Some(digit @ b'0'..=b'7') => value = value * 8 + u32::from(digit - b'0'),
                            _ => break,
                        }
                        rest.next();
                    }
                    bytes.push(u8::try_from(value).expect("three octal digits that strace wrote of a byte"));
                }
                Some(other) => bytes.push(other),
                None => break,
            },
            other => bytes.push(other),
        }
    }
    sandprint_model::ByteString::new(bytes).escaped()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_as_far_as_a_line_goes() {
        for (line, expected) in [
            ("getpid() = 0x1", &[][..]),
            ("brk(0)   = 0x5", &[0]),
            ("mmap(0, 0x2000, 0x3, 0x22, 0xffffffff, 0) = 0x7", &[0, 0x2000, 3, 0x22, 0xffff_ffff, 0]),
            ("wait4(0xffffffffffffffff, 0x7, 0, 0 <unfinished ...>", &[u64::MAX, 7, 0, 0]),
            ("vfork( <unfinished ...>", &[]),
        ] {
            assert_eq!(raw_arguments(line), expected, "{line}");
        }
    }

    fn check(log: &str, expected: &[&str]) {
        let rows = parse(log);
        let text = |row: &Row| {
            let name = row.name.as_deref().unwrap_or("-");
            format!("{} {} {} {name} {}", row.image, row.abi, row.nr, row.count)
        };
        assert_eq!(rows.iter().map(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_call_counts_once_whether_or_not_it_returns() {
        check(
            "1 [  59] execve(\"./a\", [\"./a\"], 0x7 /* 1 var */) = 0\n\
             1 [  61] wait4(0x2, 0, 0, 0 <unfinished ...>\n\
             1 [  61] <... wait4 resumed>)       = 0x2\n\
             1 [  61] --- SIGCHLD {si_signo=SIGCHLD} ---\n\
             1 [   0] read(0, 0x5, 0x1 <unfinished ...>\n\
             1 [   0] +++ killed by SIGKILL +++\n",
            &["./a x86_64 0 read 1", "./a x86_64 59 execve 1", "./a x86_64 61 wait4 1"],
        );
    }

    #[test]
    fn calls_belong_to_the_program_that_made_them() {
        check(
            "1 [  59] execve(\"a\", [\"a\"], 0x7 /* 1 var */) = 0\n\
             1 [  56] clone(0x11, 0, 0, 0, 0) = 0x2\n\
             1 [  59] execve(\"b\", [\"b\"], 0x7 /* 1 var */ <unfinished ...>\n\
             2 [ 110] getppid() = 0x1\n\
             1 [  59] <... execve resumed>) = 0\n\
             1 [ 110] getppid() = 0x1\n\
             2 [  59] execve(\"nowhere\", [\"b\"], 0x7 /* 1 var */) = -1 ENOENT (No such file or directory)\n\
             2 [ 110] getppid() = 0x1\n",
            &[
                "a x86_64 56 clone 1",
                "a x86_64 59 execve 3",
                "a x86_64 110 getppid 2",
                "b x86_64 110 getppid 1",
            ],
        );
    }

    #[test]
    fn a_child_that_shows_up_before_clone_returns_has_its_parents_program() {
        check(
            "1 [  59] execve(\"a\", [\"a\"], 0x7 /* 1 var */) = 0\n\
             1 [  56] clone(0x11, 0, 0, 0, 0 <unfinished ...>\n\
             31 [ 110] getppid() = 0x1\n\
             1 [  56] <... clone resumed>) = 0x1f\n",
            &["a x86_64 56 clone 1", "a x86_64 59 execve 1", "a x86_64 110 getppid 1"],
        );
    }

    #[test]
    fn an_exec_from_a_thread_takes_the_leaders_pid() {
        check(
            "1 [  59] execve(\"a\", [\"a\"], 0x7 /* 1 var */) = 0\n\
             1 [  56] clone(0x50f00, 0, 0, 0, 0) = 0x2\n\
             2 [  59] execve(\"b\", [\"b\"], 0x7 /* 1 var */ <unfinished ...>\n\
             1 [  59] +++ superseded by execve in pid 2 +++\n\
             1 [  59] <... execve resumed>)      = 0\n\
             1 [ 110] getppid() = 0x1\n",
            &["a x86_64 56 clone 1", "a x86_64 59 execve 2", "b x86_64 110 getppid 1"],
        );
    }

    #[test]
    fn numbers_have_their_abi_and_need_no_name() {
        check(
            "1 [  59] execve(\"a\", [\"a\"], 0x7 /* 1 var */) = 0\n\
             1 [  59] [ Process PID=1 runs in 32 bit mode. ]\n\
             1 [  64] getppid() = 0x1\n\
             1 [  64] [ Process PID=1 runs in x32 mode. ]\n\
             1 [1073741863] getpid() = -1 ENOSYS (Function not implemented)\n\
             1 [1073741863] [ Process PID=1 runs in 64 bit mode. ]\n\
             1 [9999] syscall_0x270f(0, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)\n\
             1 [???] syscall_0xffffffffffffffff(0, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)\n",
            &[
                "a i386 64 getppid 1",
                "a x32 39 getpid 1",
                "a x86_64 59 execve 1",
                "a x86_64 9999 - 1",
                "a x86_64 4294967295 - 1",
            ],
        );
    }

    #[test]
    fn hostile_and_deleted_programs_are_named() {
        check(
            "1 [  59] execve(\"./\\33[31m\\n\\377\", [\"a\"], 0x7 /* 1 var */) = 0\n\
             1 [ 322] execveat(3</memfd:x>(deleted), \"\", [\"b\"], 0x7 /* 1 var */, AT_EMPTY_PATH) = 0\n\
             1 [ 110] getppid() = 0x1\n",
            &[
                "./\\x1b[31m\\x0a\\xff x86_64 59 execve 1",
                "./\\x1b[31m\\x0a\\xff x86_64 322 execveat 1",
                "/memfd:x x86_64 110 getppid 1",
            ],
        );
    }
}
