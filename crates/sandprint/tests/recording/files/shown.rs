//! What follows from strace's lines of files and sockets: written apart from sandprint's own tables.
//!
//! strace shows what a call was given, the paths of descriptors, and the path of what was opened. What it does not show is
//! found out by these rules, and by no other:
//!
//! - A path that is relative begins at the folder that the line shows, or at the working directory, which is followed
//!   through chdir, fchdir and the making of processes.
//! - What is a directory, a device, a pipe is what the log has made there, or what is there now.
//! - `O_CREAT` without `O_EXCL` makes what the log has not made before and what was not there before the run.
//! - Where the kernel says no path of its own, links are followed as they are now: at the end of a path where the call
//!   does so, and before its end always. What `/proc/self` leads to is another one's.
//! - A program is executed with its dynamic loader, and a script with its interpreter, which their first bytes name.
//! - Looking at a descriptor that is open already is no use of a file (fstat, an empty path); nor is what has no name:
//!   pipes, files of memory and of `O_TMPFILE`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use sandprint_model::ByteString;

mod line;
mod look;

use line::{Line, described};
use look::{canonical, end, loader, placed, script_interpreter};

/// Where a call has a path.
#[derive(Debug, Clone, Copy)]
struct PathAt {
    /// The descriptor that it begins at, if it has one.
    directory: Option<usize>,
    path: usize,
    rights: &'static str,
    last: Last,
}

/// Whether a link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Followed,
    Kept,
    /// Unless the flags have `NOFOLLOW`.
    Asked,
}

const fn at(directory: usize, rights: &'static str, last: Last) -> PathAt {
    PathAt { directory: Some(directory), path: directory + 1, rights, last }
}

const fn plain(path: usize, rights: &'static str, last: Last) -> PathAt {
    PathAt { directory: None, path, rights, last }
}

const CALLS: &[(&[&str], &[PathAt])] = &[
    (&["access", "stat", "statfs", "getxattr", "listxattr"], &[plain(0, "metadata", Last::Followed)]),
    (
        &["chmod", "chown", "utime", "utimes", "setxattr", "removexattr"],
        &[plain(0, "metadata", Last::Followed)],
    ),
    (&["lstat", "readlink", "lgetxattr", "llistxattr", "lchown"], &[plain(0, "metadata", Last::Kept)]),
    (&["lsetxattr"], &[plain(0, "metadata", Last::Kept)]),
    (&["chdir"], &[plain(0, "metadata", Last::Followed)]),
    (&["inotify_add_watch"], &[plain(1, "metadata", Last::Followed)]),
    (&["faccessat", "fchmodat"], &[at(0, "metadata", Last::Followed)]),
    (&["faccessat2", "newfstatat", "statx", "fchownat", "utimensat"], &[at(0, "metadata", Last::Asked)]),
    (&["readlinkat"], &[at(0, "metadata", Last::Kept)]),
    (&["mkdir", "mknod"], &[plain(0, "create", Last::Kept)]),
    (&["mkdirat", "mknodat"], &[at(0, "create", Last::Kept)]),
    (&["symlink"], &[plain(1, "create", Last::Kept)]),
    (&["symlinkat"], &[at(1, "create", Last::Kept)]),
    (&["unlink", "rmdir"], &[plain(0, "delete", Last::Kept)]),
    (&["unlinkat"], &[at(0, "delete", Last::Kept)]),
    (&["rename"], &[plain(0, "rename", Last::Kept), plain(1, "rename", Last::Kept)]),
    (&["renameat", "renameat2"], &[at(0, "rename", Last::Kept), at(2, "rename", Last::Kept)]),
    (&["link"], &[plain(0, "link", Last::Kept), plain(1, "create,link", Last::Kept)]),
    (&["linkat"], &[at(0, "link", Last::Kept), at(2, "create,link", Last::Kept)]),
    (&["truncate"], &[plain(0, "truncate", Last::Followed)]),
];

/// Calls with quoted words that are no paths of files.
const OTHERS: &[&str] = &[
    "add_key",
    "fgetxattr",
    "flistxattr",
    "fsetxattr",
    "getcwd",
    "getdents64",
    "getrandom",
    "ioctl",
    "keyctl",
    "memfd_create",
    "pread64",
    "prctl",
    "pwrite64",
    "read",
    "readv",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "setsockopt",
    "getsockopt",
    "getsockname",
    "getpeername",
    "accept",
    "accept4",
    "bind",
    "connect",
    "sysinfo",
    "uname",
    "write",
    "writev",
    "process_vm_readv",
    "sethostname",
    "copy_file_range",
    "wait4",
    "rt_sigtimedwait",
    "rseq",
    "io_uring_setup",
    "bpf",
    "preadv",
    "pwritev",
    "socketpair",
    "mq_open",
    "ppoll",
];

/// What was done, from the log of one run.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// `PATH RIGHT yes`, or `no` where it failed.
    pub(super) files: BTreeSet<String>,
    /// As the table of sockets has them, for each outcome.
    pub(super) sockets: BTreeSet<String>,
    work: Vec<u8>,
    /// What was in the working folder before.
    before: BTreeSet<PathBuf>,
    /// What the log has made, of which kind, and what it has taken away.
    made: BTreeMap<Vec<u8>, Option<Kind>>,
    folders: BTreeMap<u32, Vec<u8>>,
    /// Sockets, by what strace calls them: family, type and protocol.
    made_sockets: BTreeMap<Vec<u8>, [String; 3]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    Regular,
    Device,
    Other,
}

/// Reads a log. `before` is what was in the folder before the run.
pub(super) fn read(log: &Path, work: &Path, before: BTreeSet<PathBuf>) -> Shown {
    let bytes = fs::read(log).expect("strace wrote its log");
    let text = String::from_utf8(bytes).expect("with -xx there are only letters");
    let work = work.as_os_str().as_bytes().to_vec();
    let mut shown = Shown { work, before, ..Shown::default() };
    for line in line::calls(&text) {
        shown.call(&line);
    }
    shown
}

impl Shown {
    fn file(&mut self, path: &[u8], rights: &str, failed: bool) {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let is_nameless =
            name.len() > 1 && name.starts_with(b"#") && name.iter().skip(1).all(u8::is_ascii_digit);
        if !path.starts_with(b"/") || path.starts_with(b"/memfd:") || is_nameless {
            return;
        }
        for right in rights.split(',').filter(|right| !right.is_empty()) {
            let path = ByteString::new(path).escaped();
            self.files.insert(format!("{path} {right} {}", if failed { "no" } else { "yes" }));
        }
    }

    /// A file by a path of which the kernel says nothing: that, and where links lead from there.
    fn named(&mut self, path: &[u8], rights: &str, failed: bool, last: Last) {
        self.file(path, rights, failed);
        if let Some(end) = end(path, last == Last::Followed) {
            self.file(&end, rights, failed);
        }
    }

    fn folder(&self, process: u32) -> Vec<u8> {
        self.folders.get(&process).unwrap_or(&self.work).clone()
    }

    /// The path of an argument: absolute, and whether it was the empty one. None for no path.
    fn path(&mut self, line: &Line<'_>, directory: Option<usize>, path: usize) -> Option<(Vec<u8>, bool)> {
        let base = match directory.and_then(|at| line.args.get(at)) {
            None => Some(self.folder(line.process)),
            Some(directory) => {
                let described = described(directory);
                if directory.starts_with("AT_FDCWD") {
                    self.folders.extend(described.clone().map(|folder| (line.process, folder)));
                }
                described
            }
        };
        let text = line.quoted(path)?;
        if text.starts_with(b"/") {
            return Some((placed(b"", &text), false));
        }
        Some((placed(&base?, &text), text.is_empty()))
    }

    fn kind(&self, path: &[u8]) -> Option<Kind> {
        if let Some(Some(kind)) = self.made.get(path) {
            return Some(*kind);
        }
        // Of a process that has ended.
        if path.starts_with(b"/proc/") {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            let is_directory = matches!(name, b"fd" | b"task") || name.iter().all(u8::is_ascii_digit);
            return Some(if is_directory { Kind::Directory } else { Kind::Regular });
        }
        let kind = fs::symlink_metadata(OsStr::from_bytes(path)).ok()?.file_type();
        Some(if kind.is_dir() {
            Kind::Directory
        } else if kind.is_char_device() || kind.is_block_device() {
            Kind::Device
        } else if kind.is_file() {
            Kind::Regular
        } else {
            Kind::Other
        })
    }

    fn was_there(&self, path: &[u8]) -> bool {
        if let Some(kind) = self.made.get(path) {
            return kind.is_some();
        }
        let path = Path::new(OsStr::from_bytes(path));
        if path.starts_with(OsStr::from_bytes(&self.work)) {
            return self.before.contains(path);
        }
        path.symlink_metadata().is_ok()
    }

    fn call(&mut self, line: &Line<'_>) {
        match line.name {
            "clone" | "clone3" | "fork" | "vfork" => {
                if let Ok(child) = line.result.parse() {
                    let folder = self.folder(line.process);
                    self.folders.entry(child).or_insert(folder);
                }
            }
            "execve" => self.executed(line, None, 0),
            "execveat" => self.executed(line, Some(0), 1),
            "open" | "creat" => self.opened(line, None, 0),
            "openat" | "openat2" => self.opened(line, Some(0), 1),
            "fchdir" if !line.failed => {
                self.folders.extend(described(&line.args[0]).map(|folder| (line.process, folder)));
            }
            "mmap" if line.args[2].contains("PROT_EXEC") && !line.args[3].contains("MAP_ANONYMOUS") => {
                self.by_descriptor(line, 4, "map-exec");
            }
            "ftruncate" => self.by_descriptor(line, 0, "truncate"),
            "ioctl"
                if described(&line.args[0]).is_some_and(|path| self.kind(&path) == Some(Kind::Device)) =>
            {
                self.by_descriptor(line, 0, "ioctl");
            }
            "socket" => self.socket(line),
            "bind" | "connect" | "listen" | "sendto" | "sendmsg" | "sendmmsg" => self.addressed(line),
            _ => self.by_paths(line),
        }
    }

    fn by_descriptor(&mut self, line: &Line<'_>, argument: usize, right: &str) {
        if let Some(path) = described(&line.args[argument]) {
            self.file(&path, right, line.failed);
        }
    }

    fn by_paths(&mut self, line: &Line<'_>) {
        let Some((_, paths)) = CALLS.iter().find(|(names, _)| names.contains(&line.name)) else {
            let is_known = OTHERS.contains(&line.name) || !line.args.iter().any(|word| word.starts_with('"'));
            return assert!(is_known, "a call of which nothing is known: {line:?}");
        };
        let mut ends = Vec::new();
        for of in *paths {
            // NULL: the descriptor itself is changed.
            if line.args.get(of.path).is_some_and(|word| word == "NULL") && line.name == "utimensat" {
                self.by_descriptor(line, 0, of.rights);
                continue;
            }
            let Some((path, is_empty)) = self.path(line, of.directory, of.path) else { continue };
            let changes = ["fchownat", "utimensat", "linkat"].contains(&line.name);
            if is_empty && !(changes && line.has_flag("AT_EMPTY_PATH")) {
                continue;
            }
            let last = match of.last {
                Last::Asked if line.has_flag("NOFOLLOW") => Last::Kept,
                Last::Asked => Last::Followed,
                Last::Kept if line.has_flag("AT_SYMLINK_FOLLOW") && of.rights == "link" => Last::Followed,
                last => last,
            };
            let is_socket = line.name.starts_with("mknod") && line.has_flag("S_IFSOCK");
            let rights = if is_socket { "create,socket" } else { of.rights };
            if line.name == "chdir" && !line.failed {
                self.file(&path, rights, false);
            } else {
                self.named(&path, rights, line.failed, last);
            }
            ends.push(path);
        }
        if !line.failed {
            self.changed(line, &ends);
        }
    }

    /// Keeps in mind what a call has changed.
    fn changed(&mut self, line: &Line<'_>, paths: &[Vec<u8>]) {
        match (line.name, paths) {
            ("chdir", [path]) => {
                let folder = canonical(path).unwrap_or_else(|| path.clone());
                self.file(&folder, "metadata", false);
                self.folders.insert(line.process, folder);
            }
            ("unlink" | "unlinkat" | "rmdir", [path]) => drop(self.made.insert(path.clone(), None)),
            ("mkdir" | "mkdirat", [path]) => drop(self.made.insert(path.clone(), Some(Kind::Directory))),
            ("mknod" | "mknodat" | "symlink" | "symlinkat", [path]) => {
                self.made.insert(path.clone(), Some(Kind::Other));
            }
            ("link" | "linkat" | "rename" | "renameat" | "renameat2", [from, to]) => {
                let kind = self.kind(from).or(Some(Kind::Regular));
                self.made.insert(to.clone(), kind);
                if line.name.starts_with("link") {
                    return;
                }
                let below = |path: &[u8]| {
                    path.strip_prefix(&from[..]).filter(|rest| rest.starts_with(b"/")).map(<[u8]>::to_vec)
                };
                let moved: Vec<_> = self
                    .made
                    .iter()
                    .filter_map(|(path, kind)| Some((path.clone(), below(path)?, *kind)))
                    .collect();
                for (path, rest, kind) in moved {
                    self.made.insert(path, None);
                    self.made.insert([&to[..], &rest].concat(), kind);
                }
                self.made.insert(from.clone(), None);
            }
            _ => {}
        }
    }

    fn opened(&mut self, line: &Line<'_>, directory: Option<usize>, argument: usize) {
        let flags = match line.name {
            "creat" => "O_WRONLY|O_CREAT|O_TRUNC",
            "openat2" => {
                line.args[2].split("flags=").nth(1).expect("it has flags").split(',').next().unwrap_or("")
            }
            _ => &line.args[argument + 1],
        };
        let flags: BTreeSet<&str> = flags.split('|').collect();
        let has = |flag: &str| flags.contains(flag);
        let named =
            self.path(line, directory, argument).filter(|(_, is_empty)| !is_empty).map(|(path, _)| path);
        let found = if line.failed { None } else { described(line.result) };
        let kind = found.as_ref().and_then(|found| self.kind(found));
        let mut rights = Vec::new();
        if has("O_PATH") {
            rights.push("metadata");
        } else {
            let is_list = !has("O_TMPFILE") && (kind == Some(Kind::Directory) || has("O_DIRECTORY"));
            if has("O_RDONLY") || has("O_RDWR") {
                rights.push(if is_list { "list" } else { "read" });
            }
            if has("O_WRONLY") || has("O_RDWR") {
                rights.push(if has("O_APPEND") { "append" } else { "write" });
            }
            let makes = has("O_CREAT") && found.as_ref().is_none_or(|found| !self.was_there(found));
            if makes || has("O_TMPFILE") {
                rights.push("create");
            }
            if has("O_TRUNC") && kind.is_none_or(|kind| kind == Kind::Regular) {
                rights.push("truncate");
            }
        }
        let rights = rights.join(",");
        if let Some(found) = &found {
            self.file(found, &rights, line.failed);
            if has("O_CREAT") {
                let kind = kind.or(Some(Kind::Regular));
                self.made.insert(found.clone(), kind);
            }
        }
        let is_nowhere =
            found.as_ref().is_some_and(|found| !found.starts_with(b"/") || found.starts_with(b"/memfd:"));
        let Some(named) = named else { return };
        if found.is_some() && !is_nowhere {
            return self.file(&named, &rights, line.failed);
        }
        let is_kept = has("O_NOFOLLOW") || has("O_CREAT") && has("O_EXCL");
        self.named(&named, &rights, line.failed, if is_kept { Last::Kept } else { Last::Followed });
    }

    fn executed(&mut self, line: &Line<'_>, directory: Option<usize>, argument: usize) {
        let Some((path, _)) = self.path(line, directory, argument) else { return };
        if line.failed {
            return self.named(&path, "execute", true, Last::Followed);
        }
        self.file(&path, "execute", false);
        let Some(mut program) = canonical(&path) else { return };
        self.file(&program, "execute", false);
        for _ in 0..5 {
            let Some(interpreter) = script_interpreter(&program) else { break };
            program = canonical(&interpreter).expect("it was executed");
        }
        self.file(&program, "execute", false);
        if let Some(loader) = loader(&program) {
            self.named(&loader, "execute", false, Last::Followed);
        }
    }

    fn socket(&mut self, line: &Line<'_>) {
        let kind = line.args[1].split('|').next().unwrap_or_default();
        let of = [line.args[0].clone(), kind.to_owned(), line.args[2].clone()];
        self.sockets.insert(format!("{} socket - {}", of.join(" "), outcome(line)));
        if let (false, Some(name)) = (line.failed, described(line.result)) {
            self.made_sockets.insert(name, of);
        }
    }

    fn addressed(&mut self, line: &Line<'_>) {
        let Some(made) = described(&line.args[0]).and_then(|name| self.made_sockets.get(&name).cloned())
        else {
            // An end of a pair, and what is no socket.
            return;
        };
        let [family, kind, protocol] = made;
        // The kernel's own number of what was not asked for by number (inet_protosw, net/ipv4/af_inet.c).
        let protocol = match (family.as_str(), kind.as_str(), protocol.as_str()) {
            ("AF_INET" | "AF_INET6", "SOCK_STREAM", "IPPROTO_IP") => "IPPROTO_TCP",
            ("AF_INET" | "AF_INET6", "SOCK_DGRAM", "IPPROTO_IP") => "IPPROTO_UDP",
            (.., protocol) => protocol,
        };
        let (operation, addresses) = match line.name {
            "listen" => ("listen", vec![None]),
            "bind" | "connect" => (line.name, vec![Some(line.args[1].clone())]),
            "sendto" => ("send", vec![Some(line.args[4].clone())]),
            _ => {
                let names = line.args[1].split("msg_name=").skip(1);
                ("send", names.map(|name| Some(line::value(name).to_owned())).collect())
            }
        };
        for address in addresses {
            if address.as_ref().is_some_and(|address| address == "NULL") {
                continue;
            }
            let (text, path) = match &address {
                None => ("-".to_owned(), None),
                Some(address) => line::address(address),
            };
            self.sockets.insert(format!("{family} {kind} {protocol} {operation} {text} {}", outcome(line)));
            if let Some(path) = path {
                let path = placed(&self.folder(line.process), &path);
                let rights = if operation == "bind" { "create,socket" } else { "socket" };
                self.named(&path, rights, outcome(line) == "no", Last::Followed);
            }
        }
    }
}

/// A connection that is under way has not failed.
fn outcome(line: &Line<'_>) -> &'static str {
    if line.failed && line.error != "EINPROGRESS" { "no" } else { "yes" }
}
