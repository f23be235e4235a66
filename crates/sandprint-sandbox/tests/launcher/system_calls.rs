//! The child's system calls between fork and execve, as strace sees them: all of them, in order.

use std::fs;
use std::process::Command;

use crate::program;

#[test]
fn between_fork_and_execve_the_child_makes_exactly_these_calls() {
    if program::skips_without("strace") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let status = Command::new("strace")
        .args(["-f", "-o"])
        .arg(&log)
        .arg(program::path())
        .args(["/bin/sh", "-c", "exit 3"])
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3));

    let log = fs::read_to_string(log).unwrap();
    let calls: Vec<(&str, &str)> = log.lines().filter_map(|line| line.split_once(' ')).collect();
    let (launcher, _) = calls[0];
    let is_childs = |&&(pid, _): &&(&str, &str)| pid != launcher;
    // A call that another process interrupted has a second line, which resumes it.
    let names: Vec<&str> = calls
        .iter()
        .filter(is_childs)
        .map(|(_, call)| call.trim_start())
        .filter(|call| !call.starts_with("<..."))
        .map(|call| call.split('(').next().unwrap())
        .collect();
    let end = names.iter().position(|&name| name == "execve").unwrap();
    let mut expected = vec!["close", "newfstatat", "faccessat2"];
    expected.extend(["rt_sigaction"; 64]);
    expected.extend(["rt_sigprocmask", "sendmsg", "read"]);
    assert_eq!(names[..end], expected);
    // The only execve, and a successful one.
    assert_eq!(names.iter().filter(|&&name| name == "execve").count(), 1);
    let succeeded =
        calls.iter().filter(is_childs).any(|(_, call)| call.contains("execve") && call.ends_with("= 0"));
    assert!(succeeded, "{log}");
}
