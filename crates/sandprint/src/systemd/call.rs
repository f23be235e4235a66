//! A call of systemctl.

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, Command, Stdio};

use super::{SystemdError, in_one_line};

/// One that is under way. It lives in a process group of its own: Ctrl-C is for us. If it is dropped it ends, and what it
/// asked for goes on in the manager.
#[derive(Debug)]
pub(crate) struct Call {
    child: Child,
    stderr: ChildStderr,
    said: Vec<u8>,
}

impl Call {
    /// Has the manager do something with a unit.
    pub(crate) fn begin(verb: &str, unit: &str) -> Result<Call, SystemdError> {
        let mut command = systemctl(&[verb]);
        command.args(["--", unit]).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(SystemdError::NoSystemctl)?;
        let missing = || SystemdError::NoSystemctl(io::Error::other("it has no standard error"));
        let stderr = child.stderr.take().ok_or_else(missing)?;
        Ok(Call { child, stderr, said: Vec::new() })
    }

    /// Becomes readable when it says something or ends.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.stderr.as_fd()
    }

    /// Takes what it says. To be called when its descriptor is readable, else it waits. Once it has ended: whether the
    /// manager did it, or else what it said.
    pub(crate) fn attend(&mut self) -> Option<Result<(), String>> {
        let mut part = [0; 4096];
        match self.stderr.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Ok(count) if count > 0 => {
                self.said.extend(part.iter().take(count));
                None
            }
            // It has ended, or closed it, which is as good.
            _ => Some(match self.child.wait() {
                Ok(status) if status.success() => Ok(()),
                Ok(_) => Err(in_one_line(&self.said)),
                Err(error) => Err(error.to_string()),
            }),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // One that has been waited for is left alone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The properties of a unit, as `NAME=VALUE` lines.
pub(super) fn show(unit: &str, properties: &[&str]) -> Result<String, SystemdError> {
    let mut command = systemctl(&["show"]);
    command.arg(format!("--property={}", properties.join(","))).args(["--", unit]);
    let output = command.output().map_err(SystemdError::NoSystemctl)?;
    if !output.status.success() {
        return Err(SystemdError::NoManager(in_one_line(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Without questions, pagers and translated words.
fn systemctl(words: &[&str]) -> Command {
    let mut command = Command::new("systemctl");
    command.args(["--no-ask-password", "--no-pager"]).args(words);
    command.env("LC_ALL", "C").env_remove("SYSTEMD_COLORS").stdin(Stdio::null());
    command
}
