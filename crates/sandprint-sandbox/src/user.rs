//! Another user to run a workload as: identity, groups and what the environment says of them.

mod files;
mod sys;

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A user, ready to become: everything was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
    /// All groups, `gid` among them: those of the group database, or only `gid` where the group was named.
    pub groups: Vec<u32>,
    /// What the user database says; `None` for a number that it does not have.
    pub account: Option<Account>,
}

/// An entry of the user database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub name: OsString,
    /// The home directory.
    pub home: PathBuf,
    /// The shell; empty where the entry has none, which means `/bin/sh` (passwd(5)).
    pub shell: PathBuf,
}

/// Why there is no such user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// The text is neither `USER` nor `USER:GROUP`.
    #[error("understand the user {text:?}: not NAME, UID, or either with :GROUP or :GID")]
    Parse {
        /// What was given.
        text: String,
    },
    /// No user of that name.
    #[error("find the user {name:?}: not in the user database")]
    UnknownUser {
        /// The name.
        name: String,
    },
    /// No group of that name.
    #[error("find the group {name:?}: not in the group database")]
    UnknownGroup {
        /// The name.
        name: String,
    },
    /// A number without an entry, so without a group of its own.
    #[error("choose a group for the user id {uid}, which is not in the user database: give it as {uid}:GID")]
    NoGroup {
        /// The user id.
        uid: u32,
    },
    /// The database could not be read.
    #[error("read the {database} database")]
    Read {
        /// "user" or "group".
        database: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// An entry of the user database, with its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    uid: u32,
    gid: u32,
    account: Account,
}

/// Where users and groups are looked up.
trait Database {
    fn user_by_name(&self, name: &str) -> io::Result<Option<Entry>>;
    fn user_by_id(&self, uid: u32) -> io::Result<Option<Entry>>;
    fn group_id(&self, name: &str) -> io::Result<Option<u32>>;
    /// The groups of a user whose own group is `gid`, that one included.
    fn groups_of(&self, name: &OsStr, gid: u32) -> io::Result<Vec<u32>>;
}

impl User {
    /// The user that `text` means: `USER` or `USER:GROUP`, each a name or a number; what is both is a name
    /// (as chown(1) reads it).
    ///
    /// Without a group it is the user's own, and the supplementary ones are the user's too, as after
    /// `sudo -u`. With a group there is no other.
    ///
    /// A statically linked program does not have the C library's other sources of users (LDAP and the
    /// like): there, only /etc/passwd and /etc/group are looked at.
    pub fn resolve(text: &str) -> Result<User, UserError> {
        // The C library's lookup loads shared libraries at run time, which must be of the very version that
        // was linked statically (glibc's warning at link time); otherwise it crashes.
        if cfg!(target_feature = "crt-static") {
            resolve(text, &files::Files::system())
        } else {
            resolve(text, &sys::Library)
        }
    }

    /// The variables that name the user, with their new values; `None` removes one.
    ///
    /// They are HOME, USER, LOGNAME and SHELL, as `sudo -u` sets them; nothing else changes, PATH in
    /// particular. For a number without an entry HOME is `/`, and the others, which would name somebody
    /// else, are removed.
    pub fn variables(&self) -> [(OsString, Option<OsString>); 4] {
        let account = self.account.as_ref();
        let name = account.map(|account| account.name.clone());
        let home = account.map_or_else(|| "/".into(), |account| account.home.clone().into());
        let shell = account.map(|account| account.shell.clone().into_os_string());
        let shell = shell.map(|shell| if shell.is_empty() { "/bin/sh".into() } else { shell });
        [
            ("HOME".into(), Some(home)),
            ("USER".into(), name.clone()),
            ("LOGNAME".into(), name),
            ("SHELL".into(), shell),
        ]
    }

    /// Whether this process is that user already, in all its ids and groups, so that nothing need change
    /// (and no privilege is needed).
    pub(crate) fn is_current(&self) -> bool {
        // Whether the group id is among the supplementary ones too makes no difference to any permission.
        let set = |groups: &[u32]| groups.iter().copied().chain([self.gid]).collect::<BTreeSet<u32>>();
        sys::current().is_some_and(|(uids, gids, groups)| {
            uids == [self.uid; 3] && gids == [self.gid; 3] && set(&groups) == set(&self.groups)
        })
    }
}

fn resolve(text: &str, database: &impl Database) -> Result<User, UserError> {
    let (user, group) = match text.split_once(':') {
        None => (text, None),
        Some((user, group)) => (user, Some(group)),
    };
    if user.is_empty() || group.is_some_and(|group| group.is_empty() || group.contains(':')) {
        return Err(UserError::Parse { text: text.to_owned() });
    }
    let users = |source| UserError::Read { database: "user", source };
    let groups = |source| UserError::Read { database: "group", source };

    let by_name = database.user_by_name(user).map_err(users)?;
    let (uid, entry) = match (by_name, number(user)) {
        (Some(entry), _) => (entry.uid, Some(entry)),
        (None, Some(uid)) => (uid, database.user_by_id(uid).map_err(users)?),
        (None, None) => return Err(UserError::UnknownUser { name: user.to_owned() }),
    };
    let (gid, groups) = match (group, &entry) {
        (Some(group), _) => {
            let gid = database.group_id(group).map_err(groups)?.or_else(|| number(group));
            let gid = gid.ok_or_else(|| UserError::UnknownGroup { name: group.to_owned() })?;
            (gid, vec![gid])
        }
        (None, Some(entry)) => {
            (entry.gid, database.groups_of(&entry.account.name, entry.gid).map_err(groups)?)
        }
        (None, None) => return Err(UserError::NoGroup { uid }),
    };
    Ok(User { uid, gid, groups, account: entry.map(|entry| entry.account) })
}

/// A user or group id in decimal. The largest one is not one: it means "leave as it is" (setresuid(2)).
fn number(text: &str) -> Option<u32> {
    // from_str_radix would take a plus sign too.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| digits && number != u32::MAX)
}

/// Whether a user could make files in a directory: asked of the kernel by a child that becomes that user.
///
/// `path` must lead the user to the very directory that `directory` holds; a path that only others can go does not.
/// Where this process may not become the user, the answer is no.
pub fn could_write(user: &User, directory: BorrowedFd<'_>, path: &Path) -> io::Result<bool> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    sys::could_write(user, directory, &path)
}

#[cfg(test)]
mod tests;
