//! `/proc/PID/status` (proc(5)): what the kernel says of a task, a line for each thing.

use std::fs;

/// What one reading said; all of it of one moment.
#[derive(Debug, Clone)]
pub struct Status(Vec<u8>);

impl Status {
    /// That of a task; `None` where it is gone, or /proc hides it.
    pub fn of(tid: u32) -> Option<Status> {
        fs::read(format!("/proc/{tid}/status")).ok().map(Status)
    }

    /// What such a file holds.
    pub fn from_bytes(text: impl Into<Vec<u8>>) -> Status {
        Status(text.into())
    }

    /// Whether it has ended, and its parent has not taken note of that yet.
    pub fn has_ended(&self) -> Option<bool> {
        Some(self.value("State")?.starts_with(['Z', 'X']))
    }

    /// The process that it is a thread of.
    pub fn tgid(&self) -> Option<u32> {
        self.number("Tgid")
    }

    /// The parent of that process.
    pub fn parent(&self) -> Option<u32> {
        self.number("PPid")
    }

    /// The thread that traces it; 0 where none does.
    pub fn tracer(&self) -> Option<u32> {
        self.number("TracerPid")
    }

    /// Whether it may not gain privileges by an execve.
    pub fn has_no_new_privileges(&self) -> Option<bool> {
        Some(self.number("NoNewPrivs")? == 1)
    }

    /// Whether seccomp is in force for it, and whether by a filter.
    pub fn seccomp(&self) -> Option<Seccomp> {
        Some(match self.number("Seccomp")? {
            0 => Seccomp::Off,
            2 => Seccomp::Filter,
            _ => Seccomp::Strict,
        })
    }

    /// Its numbers, in this PID namespace and those below it that it is in.
    pub fn numbers(&self) -> Option<Vec<u32>> {
        self.list("NSpid")
    }

    /// Its users: real, effective, saved, and the one of the file system.
    pub fn users(&self) -> Option<[u32; 4]> {
        self.list("Uid")?.try_into().ok()
    }

    /// Signals that wait for it or its process, bit 0 for signal 1.
    pub fn pending(&self) -> u64 {
        self.signals("SigPnd") | self.signals("ShdPnd")
    }

    /// Signals that it blocks.
    pub fn blocked(&self) -> u64 {
        self.signals("SigBlk")
    }

    /// Signals that its process ignores.
    pub fn ignored(&self) -> u64 {
        self.signals("SigIgn")
    }

    /// Signals that its process handles.
    pub fn caught(&self) -> u64 {
        self.signals("SigCgt")
    }

    /// What a line says. The name in the first has its line ends escaped.
    fn value(&self, name: &str) -> Option<&str> {
        let of_line = |line: &'_ [u8]| -> Option<usize> {
            line.strip_prefix(name.as_bytes())?.strip_prefix(b":").map(<[u8]>::len)
        };
        let line = self.0.split(|&byte| byte == b'\n').find(|line| of_line(line).is_some())?;
        let from = line.len().checked_sub(of_line(line)?)?;
        Some(std::str::from_utf8(line.get(from..)?).ok()?.trim())
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.value(name)?.parse().ok()
    }

    fn list(&self, name: &str) -> Option<Vec<u32>> {
        self.value(name)?.split_ascii_whitespace().map(|word| word.parse().ok()).collect()
    }

    fn signals(&self, name: &str) -> u64 {
        self.value(name).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
    }
}

/// What seccomp does for a task (`Seccomp:`, proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seccomp {
    /// Nothing.
    Off,
    /// Strict mode.
    Strict,
    /// It has a filter.
    Filter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_by_their_whole_name() {
        let text = "Name:\tPPid:\\n9\nState:\tZ (zombie)\nTgid:\t7\nPid:\t8\nPPid:\t1\nTracerPid:\t0\nUid:\t1\t2\t3\t4\nNSpid:\t8\t2\n\
                    SigPnd:\t0000000000000001\nShdPnd:\t0000000000000200\nSigBlk:\t0000000000000000\nSigIgn:\t\
                    8000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        let status = Status::from_bytes(text);
        assert_eq!((status.tgid(), status.parent(), status.tracer()), (Some(7), Some(1), Some(0)));
        assert_eq!((status.users(), status.numbers()), (Some([1, 2, 3, 4]), Some(vec![8, 2])));
        assert_eq!((status.pending(), status.blocked(), status.ignored()), (0x201, 0, 1 << 63));
        assert_eq!((status.has_no_new_privileges(), status.seccomp()), (Some(true), Some(Seccomp::Filter)));
        assert_eq!(status.has_ended(), Some(true));
        assert_eq!(Status::from_bytes("State:\tS (sleeping)\n").has_ended(), Some(false));
        // There is no such line.
        assert_eq!((status.caught(), Status::from_bytes("").tgid()), (0, None));
        assert_eq!(Status::from_bytes("").has_ended(), None);
    }

    #[test]
    fn a_task_has_a_status_while_it_is_there() {
        let me = std::process::id();
        assert_eq!(Status::of(me).unwrap().tgid(), Some(me));
        assert!(Status::of(u32::MAX).is_none());
    }
}
