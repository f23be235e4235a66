//! `/proc/PID/stat` (proc(5)): who is whose, and how a process fares, in one line.

use std::fs;

/// Whether `pid` is `ancestor` or descends from it, as far as /proc can tell: an orphan belongs to
/// whoever adopted it, and what is gone is of nobody.
pub fn descends(pid: u32, ancestor: u32) -> bool {
    let mut current = pid;
    // A chain of parents is as long as the processes are many; a bound, for when they change meanwhile.
    for _ in 0..4096 {
        match current {
            _ if current == ancestor => return true,
            0 | 1 => return false,
            _ => match parent(current) {
                Some(parent) => current = parent,
                None => return false,
            },
        }
    }
    false
}

/// The parent of a process, as far as /proc can tell.
pub fn parent(pid: u32) -> Option<u32> {
    field(pid, 4)?.parse().ok()
}

/// Whether the process has never executed anything since it was forked: its flag `PF_FORKNOEXEC`, which
/// execve clears before it closes descriptors, and which stays readable until it is reaped.
/// `None` if /proc does not tell.
pub fn has_never_executed(pid: u32) -> Option<bool> {
    /// include/linux/sched.h, at this value since Linux 2.6.
    const PF_FORKNOEXEC: u32 = 0x40;
    let flags: u32 = field(pid, 9)?.parse().ok()?;
    Some(flags & PF_FORKNOEXEC != 0)
}

/// Whether a shell with job control started this process as a job of its own, so that it takes note when we
/// stop: we lead our process group, and there is a terminal.
pub(crate) fn is_job() -> bool {
    let me = std::process::id();
    let terminal = field(me, 7).and_then(|text| text.parse::<u32>().ok());
    group(me) == Some(me) && terminal.is_some_and(|terminal| terminal != 0)
}

/// Whether a process has ended, also where nobody has taken note of that yet, as far as /proc can tell.
pub fn has_ended(pid: u32) -> bool {
    field(pid, 3).is_none_or(|state| is_end(&state))
}

/// Whether a state in /proc/PID/stat is that of a process which has ended (proc(5)).
fn is_end(state: &str) -> bool {
    matches!(state, "Z" | "X" | "x")
}

/// Whether a thread waits in the kernel, as far as /proc can tell.
pub fn waits(tid: u32) -> bool {
    field(tid, 3).is_some_and(|state| matches!(state.as_str(), "S" | "D"))
}

/// The process group of a process that has not ended, as far as /proc can tell: both of one reading, since it may end
/// between two.
pub fn living_group(pid: u32) -> Option<u32> {
    let text = fields(pid)?;
    let mut fields = text.split_ascii_whitespace();
    if fields.next().is_none_or(is_end) { None } else { fields.nth(1)?.parse().ok() }
}

/// Its process group.
pub(crate) fn group(pid: u32) -> Option<u32> {
    field(pid, 5)?.parse().ok()
}

/// Its session.
pub(crate) fn session(pid: u32) -> Option<u32> {
    field(pid, 6)?.parse().ok()
}

/// The process group that is in the foreground of its terminal, if it has one.
pub(crate) fn foreground_group(pid: u32) -> Option<u32> {
    // -1 says that there is none.
    field(pid, 8)?.parse().ok()
}

/// The field of that number, counted from 1 as in proc(5), 3 or later.
pub(super) fn field(pid: u32, number: usize) -> Option<String> {
    fields(pid)?.split_ascii_whitespace().nth(number.checked_sub(3)?).map(str::to_owned)
}

/// The fields from the third on, with spaces between.
fn fields(pid: u32) -> Option<String> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses, which may hold anything, also parentheses and spaces.
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    Some(std::str::from_utf8(stat.get(end_of_name.checked_add(1)?..)?).ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, id};

    fn sleeper() -> Child {
        Command::new("sleep").arg("1000").spawn().unwrap()
    }

    #[test]
    fn only_what_lives_is_in_a_group() {
        let mut child = sleeper();
        assert_eq!(living_group(child.id()), group(id()));
        child.kill().unwrap();
        // Ended, and nobody has taken note of it yet.
        while !has_ended(child.id()) {
            std::thread::yield_now();
        }
        assert_eq!(living_group(child.id()), None);
        child.wait().unwrap();
        assert_eq!(living_group(child.id()), None);
    }

    #[test]
    fn descent_is_read_from_proc() {
        let mut child = sleeper();
        assert!(descends(child.id(), id()));
        assert!(descends(id(), id()));
        assert!(!descends(id(), child.id()));
        assert!(!descends(1, id()));
        assert!(!descends(0, id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!descends(child.id(), id()));
    }

    #[test]
    fn a_name_does_not_confuse_the_fields() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a) R 1 (b");
        std::os::unix::fs::symlink("/bin/sleep", &path).unwrap();
        let mut child = Command::new(&path).arg("1000").spawn().unwrap();
        assert_eq!(parent(child.id()), Some(id()));
        assert_eq!(has_never_executed(child.id()), Some(false));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(has_never_executed(child.id()), None);
    }
}
