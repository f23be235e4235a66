//! Whether a test can have mounts of its own.

use std::process::{Command, Stdio};

/// Why a mount namespace of its own cannot be had, if it cannot: without the rights of root, without unshare of
/// util-linux, and in a chroot, where the namespace has no root that could be made private.
pub fn why_no_mounts() -> Option<String> {
    match Command::new("unshare").args(["-m", "true"]).stdin(Stdio::null()).output() {
        Err(error) => Some(format!("unshare: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
