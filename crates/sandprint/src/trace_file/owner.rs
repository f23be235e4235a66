//! Whose files they are.
//!
//! A file that is there keeps its owner, its group and its mode. A new one belongs to who runs us, as with cp(1): a
//! policy that root puts below /etc must not belong to somebody else. But a new trace that was recorded under sudo
//! belongs to the user who called sudo, if that user could have made it there.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Gid, Mode, Stat, Uid, fchmod, fchown, fgetxattr, fremovexattr, fsetxattr, fstat};
use sandprint_sandbox::user::{self, User};

/// The user and group that called sudo, as sudo says in the environment; none where this user namespace has no such
/// user (`user_namespaces(7)`): then we are not root for anybody but the user who made it.
pub(crate) fn caller() -> Option<(u32, u32)> {
    let id = |name| std::env::var(name).ok().as_deref().and_then(parse_id);
    let (user, group) = (id("SUDO_UID")?, id("SUDO_GID")?);
    let maps = |file| std::fs::read_to_string(file).unwrap_or_default();
    (is_mapped(&maps("/proc/self/uid_map"), user) && is_mapped(&maps("/proc/self/gid_map"), group))
        .then_some((user, group))
}

/// Whether a number has a meaning in this namespace: in one of the ranges `inside outside length`. Without /proc
/// nothing is known against it.
fn is_mapped(map: &str, id: u32) -> bool {
    let holds = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(length))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        (first..first.saturating_add(length)).contains(&u64::from(id))
    };
    map.is_empty() || map.lines().any(holds)
}

/// A user or group id: digits only, and not the one that means "leave as it is" (chown(2)).
fn parse_id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|id| *id != u32::MAX)
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a file of that user is one of ours: the user's who runs us, or who called sudo to do so.
pub(super) fn is_ours(user: u32) -> bool {
    user == rustix::process::geteuid().as_raw()
        || (is_root() && caller().is_some_and(|(caller, _)| caller == user))
}

/// Gives a new trace to the user who called sudo, if that user could have made it in the directory.
pub(super) fn hand_over(file: impl AsFd, directory: &OwnedFd, path: &Path) -> io::Result<()> {
    let Some((uid, gid)) = caller().filter(|(user, _)| *user != 0 && is_root()) else { return Ok(()) };
    let resolved = User::resolve(&uid.to_string()).ok();
    let mut groups = resolved.map(|user| user.groups).unwrap_or_default();
    if !groups.contains(&gid) {
        groups.push(gid);
    }
    let caller = User { uid, gid, groups, account: None };
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if !user::could_write(&caller, directory.as_fd(), path)? {
        return Ok(());
    }
    fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    Ok(())
}

/// The access control list of a file (acl(5)): a part of its mode, which says nothing without it.
const ACL: &str = "system.posix_acl_access";

/// Makes a new file as the old one is: owner, group, mode, access control list. Gives `false` where that is not to be
/// had; then the new file must not take the old one's place.
pub(super) fn make_alike(new: impl AsFd, old: &Stat, acl: Option<&[u8]>) -> io::Result<bool> {
    let is = fstat(&new)?;
    if (is.st_uid, is.st_gid) != (old.st_uid, old.st_gid) {
        let user = (is.st_uid != old.st_uid).then(|| Uid::from_raw(old.st_uid));
        if fchown(&new, user, Some(Gid::from_raw(old.st_gid))).is_err() {
            return Ok(false);
        }
    }
    // As after a write: set-user-id and the like are gone.
    let mode = Mode::from_raw_mode(old.st_mode) & (Mode::RWXU | Mode::RWXG | Mode::RWXO);
    match acl {
        Some(acl) => {
            if fsetxattr(&new, ACL, acl, rustix::fs::XattrFlags::empty()).is_err() {
                return Ok(false);
            }
        }
        // One that the directory hands down; mostly there is none.
        None => fremovexattr(&new, ACL).unwrap_or_default(),
    }
    Ok(fchmod(&new, mode).is_ok())
}

/// The access control list of a file that has one.
pub(super) fn acl_of(file: impl AsFd) -> Option<Vec<u8>> {
    let mut acl = vec![0; 64 << 10];
    let length = fgetxattr(file, ACL, acl.as_mut_slice()).ok()?;
    acl.truncate(length);
    Some(acl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_are_taken() {
        for (text, expected) in [
            ("1000", Some(1000)),
            ("0", Some(0)),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1 ", None),
            ("4294967295", None),
            ("4294967296", None),
        ] {
            assert_eq!(parse_id(text), expected, "{text}");
        }
    }

    #[test]
    fn a_namespace_says_which_users_it_has() {
        for (map, id, expected) in [
            ("         0          0 4294967295\n", 1000, true),
            ("         0       1000          1\n", 1000, false),
            ("         0       1000          1\n", 0, true),
            ("0 1000 1\n1 100000 65536\n", 65536, true),
            ("0 1000 1\n1 100000 65536\n", 65537, false),
            ("", 1000, true),
        ] {
            assert_eq!(is_mapped(map, id), expected, "{map:?} {id}");
        }
    }
}
