//! Where the files of a task are, as /proc tells: the kernel's own word, seen from the task's root.
//!
//! No file system is asked, see [`task`](super::task): links of /proc are followed without a look-up, and attributes are
//! taken as the kernel remembers them.

use std::fs;
use std::os::unix::ffi::OsStringExt as _;

use rustix::fs::{AtFlags, CWD, Statx, StatxFlags};
use sandprint_model::uses::Place;
use sandprint_model::{ByteString, Doubt, Doubts};

use crate::links::Root;

/// What a link of /proc puts behind the path of a file whose name is gone.
const DELETED: &[u8] = b" (deleted)";

/// A file that a task has open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) place: Place,
    /// What it is, if that could be told.
    pub(crate) mode: Option<u16>,
    /// When it was made, where its file system knows: seconds and nanoseconds.
    pub(crate) born: Option<(i64, u32)>,
}

/// The file of a descriptor; none where there is none, or where we may not know.
pub(crate) fn of_descriptor(tid: u32, descriptor: u64) -> Option<Opened> {
    // The kernel looks at the lower half.
    let descriptor = u32::try_from(descriptor & u64::from(u32::MAX)).ok()?.cast_signed();
    let link = format!("/proc/{tid}/fd/{descriptor}");
    let path = read_link(&link)?;
    let status = attributes(&link);
    let known = |flag: StatxFlags| status.filter(|status| status.stx_mask & flag.bits() != 0);
    Some(Opened {
        place: place(path, &root(tid), has_name(status.as_ref())),
        mode: known(StatxFlags::TYPE).map(|status| status.stx_mode),
        born: known(StatxFlags::BTIME).map(|status| (status.stx_btime.tv_sec, status.stx_btime.tv_nsec)),
    })
}

/// The working directory.
pub(crate) fn working_directory(tid: u32) -> Option<Place> {
    link(tid, "cwd")
}

/// The program.
pub(crate) fn program(tid: u32) -> Option<Place> {
    link(tid, "exe")
}

fn link(tid: u32, what: &str) -> Option<Place> {
    let link = format!("/proc/{tid}/{what}");
    let path = read_link(&link)?;
    // Only where it looks so is it asked for.
    let has_name = !path.ends_with(DELETED) || has_name(attributes(&link).as_ref());
    Some(place(path, &root(tid), has_name))
}

/// The root as it is to who has none of its own.
pub(crate) fn root_directory(tid: u32) -> Option<Place> {
    Some(place(read_link(&format!("/proc/{tid}/root"))?, b"/", true))
}

/// What tells the root of a task from others.
pub(crate) fn identity_of_root(tid: u32) -> Option<Root> {
    let inode = |what: &str| {
        let link = format!("/proc/{tid}/{what}");
        let status = rustix::fs::statx(CWD, link, AtFlags::STATX_DONT_SYNC, StatxFlags::INO).ok()?;
        Some(status.stx_ino)
    };
    Some(Root { namespace: u32::try_from(inode("ns/mnt")?).ok()?, inode: inode("root")? })
}

/// The root of a task. Where it cannot be read, neither could another link.
fn root(tid: u32) -> Vec<u8> {
    read_link(&format!("/proc/{tid}/root")).unwrap_or_default()
}

fn has_name(status: Option<&Statx>) -> bool {
    status.is_none_or(|status| status.stx_mask & StatxFlags::NLINK.bits() == 0 || status.stx_nlink > 0)
}

fn read_link(link: &str) -> Option<Vec<u8>> {
    fs::read_link(link).ok().map(|path| path.into_os_string().into_vec())
}

fn attributes(link: &str) -> Option<Statx> {
    let wanted = StatxFlags::TYPE | StatxFlags::NLINK | StatxFlags::BTIME;
    rustix::fs::statx(CWD, link, AtFlags::STATX_DONT_SYNC, wanted).ok()
}

/// What a link of /proc says, to a task with this root. `has_name` is false for a file that has no name any more.
fn place(mut path: Vec<u8>, root: &[u8], has_name: bool) -> Place {
    // Pipes, sockets and others that lie in no directory; files that are memory; segments of shared memory.
    let of_memory = !has_name && [&b"/memfd:"[..], b"/SYSV"].iter().any(|prefix| path.starts_with(prefix));
    if !path.starts_with(b"/") || of_memory {
        let doubts = Doubts::from_iter([Doubt::Outside, Doubt::Unlinked]);
        return Place { path: ByteString::from("/"), doubts };
    }
    let mut doubts = Vec::new();
    if !has_name && path.ends_with(DELETED) {
        path.truncate(path.len() - DELETED.len());
        doubts.push(Doubt::Unlinked);
    }
    if root.len() > 1 {
        match path.strip_prefix(root) {
            Some(b"") => path = b"/".to_vec(),
            Some(inside) if inside.starts_with(b"/") => path = inside.to_vec(),
            _ => doubts.push(Doubt::Outside),
        }
    }
    Place { path: ByteString::new(path), doubts: doubts.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_path_below_the_root_of_its_task() {
        const NONE: &[Doubt] = &[];
        const NOWHERE: &[Doubt] = &[Doubt::Outside, Doubt::Unlinked];
        for (link, root, has_name, expected, doubts) in [
            ("/etc/passwd", "/", true, "/etc/passwd", NONE),
            ("/jail/etc/passwd", "/jail", true, "/etc/passwd", NONE),
            ("/jail", "/jail", true, "/", NONE),
            ("/jailed/x", "/jail", true, "/jailed/x", &[Doubt::Outside]),
            ("/x (deleted)", "/", false, "/x", &[Doubt::Unlinked]),
            ("/x (deleted)", "/", true, "/x (deleted)", NONE),
            ("pipe:[12]", "/", true, "/", NOWHERE),
            ("anon_inode:[eventpoll]", "/", true, "/", NOWHERE),
            ("/memfd:x (deleted)", "/", false, "/", NOWHERE),
            ("/memfd:x", "/", true, "/memfd:x", NONE),
            ("/SYSV00000000 (deleted)", "/", false, "/", NOWHERE),
        ] {
            let place = place(link.into(), root.as_bytes(), has_name);
            assert_eq!(place.path, ByteString::from(expected), "{link}");
            assert_eq!(place.doubts.iter().collect::<Vec<_>>(), doubts, "{link}");
        }
    }

    #[test]
    fn what_this_process_has_open_is_found() {
        let me = std::process::id();
        let path = std::env::temp_dir().canonicalize().unwrap().join(format!("a place {me}"));
        let file = fs::File::create(&path).unwrap();
        let descriptor = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&file)).unwrap();
        let found = of_descriptor(me, descriptor).unwrap();
        assert_eq!(found.place.path, ByteString::new(path.as_os_str().as_encoded_bytes()));
        assert!(found.place.doubts.is_empty() && found.mode.unwrap() & 0o170_000 == 0o100_000);
        fs::remove_file(&path).unwrap();
        let found = of_descriptor(me, descriptor | 1 << 32).unwrap();
        assert_eq!(found.place.path, ByteString::new(path.as_os_str().as_encoded_bytes()));
        assert!(found.place.doubts.has(Doubt::Unlinked));
        assert!(of_descriptor(me, 0xffff_ffff).is_none());
    }
}
