//! The C library's user and group databases, and who this process is.
#![expect(unsafe_code, reason = "std has neither")]

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::ptr;

use super::{Account, Database, Entry};

/// The longest entry that is read; glibc's own tools stop at less.
const LONGEST: usize = 1 << 24;

/// The name service of the C library (nsswitch.conf(5)).
pub(super) struct Library;

impl Database for Library {
    fn user_by_name(&self, name: &str) -> io::Result<Option<Entry>> {
        let Ok(name) = CString::new(name) else { return Ok(None) };
        user(|entry, buffer, found| {
            // SAFETY: `name` is a C string; the rest is as `user` promises.
            unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer.as_mut_ptr(), buffer.len(), found) }
        })
    }

    fn user_by_id(&self, uid: u32) -> io::Result<Option<Entry>> {
        user(|entry, buffer, found| {
            // SAFETY: as `user` promises.
            unsafe { libc::getpwuid_r(uid, entry, buffer.as_mut_ptr(), buffer.len(), found) }
        })
    }

    fn group_id(&self, name: &str) -> io::Result<Option<u32>> {
        let Ok(name) = CString::new(name) else { return Ok(None) };
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut found = ptr::null_mut();
        growing(|buffer| {
            // SAFETY: `name` is a C string, and the call is told the size of `buffer`, in which it keeps what
            // `entry` points to.
            unsafe {
                libc::getgrnam_r(
                    name.as_ptr(),
                    entry.as_mut_ptr(),
                    buffer.as_mut_ptr(),
                    buffer.len(),
                    &raw mut found,
                )
            }
        })?;
        if found.is_null() {
            return Ok(None);
        }
        // SAFETY: not null means that the entry was filled. Its number stays when the buffer goes.
        Ok(Some(unsafe { entry.assume_init() }.gr_gid))
    }

    fn groups_of(&self, name: &OsStr, gid: u32) -> io::Result<Vec<u32>> {
        let name = CString::new(name.as_bytes())?;
        let mut groups: Vec<u32> = vec![0; 64];
        loop {
            let mut count = c_int::try_from(groups.len()).map_err(io::Error::other)?;
            // SAFETY: `name` is a C string, and `count` says how many entries `groups` has.
            let result =
                unsafe { libc::getgrouplist(name.as_ptr(), gid, groups.as_mut_ptr(), &raw mut count) };
            let needed = usize::try_from(count).unwrap_or(0);
            if result >= 0 {
                groups.truncate(needed);
                return Ok(groups);
            }
            // getgrouplist(3) says how many there are; a database that grew meanwhile needs another turn.
            groups.resize(needed.max(groups.len().saturating_mul(2)), 0);
        }
    }
}

/// Calls `lookup` with a struct to fill, a buffer for what it points to, and where to put its address.
fn user(
    mut lookup: impl FnMut(*mut libc::passwd, &mut [c_char], *mut *mut libc::passwd) -> c_int,
) -> io::Result<Option<Entry>> {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut found = ptr::null_mut();
    // The buffer must live until everything was copied out of it.
    let _buffer = growing(|buffer| lookup(entry.as_mut_ptr(), buffer, &raw mut found))?;
    if found.is_null() {
        return Ok(None);
    }
    // SAFETY: not null means that the entry was filled.
    let entry = unsafe { entry.assume_init() };
    let account = Account {
        name: text(entry.pw_name),
        home: text(entry.pw_dir).into(),
        shell: text(entry.pw_shell).into(),
    };
    Ok(Some(Entry { uid: entry.pw_uid, gid: entry.pw_gid, account }))
}

/// A string of an entry whose buffer still lives.
fn text(string: *const c_char) -> OsString {
    if string.is_null() {
        return OsString::new();
    }
    // SAFETY: the C library put a C string there, in the buffer that the caller keeps.
    let string = unsafe { CStr::from_ptr(string) };
    OsString::from_vec(string.to_bytes().to_vec())
}

/// Calls `lookup` with larger and larger buffers until the entry fits, and gives the buffer back.
fn growing(mut lookup: impl FnMut(&mut [c_char]) -> c_int) -> io::Result<Vec<c_char>> {
    let mut buffer: Vec<c_char> = vec![0; 1024];
    loop {
        match lookup(&mut buffer) {
            // getpwnam(3): all of these may mean that there is no entry; the caller sees whether there is.
            0 | libc::ENOENT | libc::ESRCH => return Ok(buffer),
            libc::EINTR => {}
            libc::ERANGE if buffer.len() < LONGEST => buffer.resize(buffer.len().saturating_mul(4), 0),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Real, effective and saved user ids, the same of groups, and the supplementary groups.
pub(super) fn current() -> Option<([u32; 3], [u32; 3], Vec<u32>)> {
    let [mut real, mut effective, mut saved] = [0; 3];
    // SAFETY: three addresses of our own.
    let users = unsafe { libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved) };
    let uids = [real, effective, saved];
    // SAFETY: three addresses of our own.
    let groups = unsafe { libc::getresgid(&raw mut real, &raw mut effective, &raw mut saved) };
    let gids = [real, effective, saved];
    // SAFETY: with no room, it only counts.
    let count = unsafe { libc::getgroups(0, ptr::null_mut()) };
    let mut supplementary = vec![0; usize::try_from(count).ok()?];
    // SAFETY: there is room for `count` entries.
    let filled = unsafe { libc::getgroups(count, supplementary.as_mut_ptr()) };
    supplementary.truncate(usize::try_from(filled).ok()?);
    (users == 0 && groups == 0).then_some((uids, gids, supplementary))
}
