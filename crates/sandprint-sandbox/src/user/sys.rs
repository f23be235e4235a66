//! The C library's user and group databases, and who this process is.
#![expect(unsafe_code, reason = "std has neither")]

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::ptr;

use super::{Account, Database, Entry, User};

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

/// Asks by a child, so that nothing of this process changes.
pub(super) fn could_write(user: &User, directory: BorrowedFd<'_>, path: &CStr) -> io::Result<bool> {
    let expected = identity(directory.as_raw_fd()).ok_or_else(io::Error::last_os_error)?;
    // No signal at its end: a caller's SIGCHLD is about its own children.
    // SAFETY: without CLONE_VM the child has its own copy of all memory, so a null stack means that it goes on with
    // this one. It makes only system calls, asks for no memory, and never returns from here.
    let pid = unsafe { libc::syscall(libc::SYS_clone, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize) };
    if pid == 0 {
        let status = i32::from(!become_and_look(user, path, expected));
        // SAFETY: no memory is involved.
        unsafe { libc::_exit(status) };
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one number to an address of ours.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        if waited == pid {
            return Ok(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The child's part. The calls are made by number: the C library's would change other threads too, which are not here.
fn become_and_look(user: &User, path: &CStr, expected: (libc::dev_t, libc::ino_t)) -> bool {
    let groups = user.groups.as_slice();
    // SAFETY: the address is of as many groups as the call is told.
    let set = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    // SAFETY: no memory is involved.
    let group = unsafe { libc::syscall(libc::SYS_setresgid, user.gid, user.gid, user.gid) };
    // SAFETY: no memory is involved.
    let own = unsafe { libc::syscall(libc::SYS_setresuid, user.uid, user.uid, user.uid) };
    if (set, group, own) != (0, 0, 0) {
        return false;
    }
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: `path` is a C string.
    let directory = unsafe { libc::open(path.as_ptr(), flags) };
    // SAFETY: `.` is a C string; the call without flags looks at the real ids, which were just set.
    let refused =
        unsafe { libc::syscall(libc::SYS_faccessat, directory, c".".as_ptr(), libc::W_OK | libc::X_OK) };
    directory >= 0 && refused == 0 && identity(directory) == Some(expected)
}

/// Which file a descriptor is of.
fn identity(descriptor: c_int) -> Option<(libc::dev_t, libc::ino_t)> {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel fills a struct of ours.
    if unsafe { libc::fstat(descriptor, found.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: fstat succeeded, so it was filled.
    let found = unsafe { found.assume_init() };
    Some((found.st_dev, found.st_ino))
}
