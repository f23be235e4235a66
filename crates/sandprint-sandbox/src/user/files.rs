//! The user and group databases as files: passwd(5) and group(5).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use super::{Account, Database, Entry};

/// The two files.
pub(super) struct Files {
    pub(super) passwd: PathBuf,
    pub(super) group: PathBuf,
}

impl Files {
    pub(super) fn system() -> Files {
        Files { passwd: "/etc/passwd".into(), group: "/etc/group".into() }
    }

    /// The first entry that `wanted` accepts.
    fn user(&self, wanted: impl Fn(&Entry) -> bool) -> io::Result<Option<Entry>> {
        Ok(lines(&fs::read(&self.passwd)?).filter_map(user_entry).find(wanted))
    }
}

impl Database for Files {
    fn user_by_name(&self, name: &str) -> io::Result<Option<Entry>> {
        self.user(|entry| entry.account.name == OsStr::new(name))
    }

    fn user_by_id(&self, uid: u32) -> io::Result<Option<Entry>> {
        self.user(|entry| entry.uid == uid)
    }

    fn group_id(&self, name: &str) -> io::Result<Option<u32>> {
        let bytes = fs::read(&self.group)?;
        Ok(lines(&bytes)
            .filter_map(group_entry)
            .find(|group| group.name == name.as_bytes())
            .map(|group| group.gid))
    }

    fn groups_of(&self, name: &OsStr, gid: u32) -> io::Result<Vec<u32>> {
        let mut groups = vec![gid];
        for group in lines(&fs::read(&self.group)?).filter_map(group_entry) {
            let member = group.members.split(|&byte| byte == b',').any(|member| member == name.as_bytes());
            if member && !groups.contains(&group.gid) {
                groups.push(group.gid);
            }
        }
        Ok(groups)
    }
}

struct GroupEntry<'a> {
    name: &'a [u8],
    gid: u32,
    members: &'a [u8],
}

/// The lines that are entries: not empty, no comment, and none of the `+` and `-` lines that ask for NIS.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_start)
        .filter(|line| !matches!(line, [] | [b'#' | b'+' | b'-', ..]))
}

/// `name:password:uid:gid:comment:home:shell`; `None` for what is not that.
fn user_entry(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|&byte| byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let uid = id(fields.next()?)?;
    let gid = id(fields.next()?)?;
    let _comment = fields.next()?;
    let home = fields.next()?;
    let shell = fields.next().unwrap_or_default();
    let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let account = Account { name: text(name), home: text(home).into(), shell: text(shell).into() };
    Some(Entry { uid, gid, account })
}

/// `name:password:gid:member,member`; `None` for what is not that.
fn group_entry(line: &[u8]) -> Option<GroupEntry<'_>> {
    let mut fields = line.split(|&byte| byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let gid = id(fields.next()?)?;
    Some(GroupEntry { name, gid, members: fields.next().unwrap_or_default() })
}

fn id(field: &[u8]) -> Option<u32> {
    super::number(std::str::from_utf8(field).ok()?)
}
