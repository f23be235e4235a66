//! What was done to files and with sockets: from what a recorder or an importer saw of a call to facts.
//!
//! One meaning for all of them: which path is meant, whether it is the kernel's own word, and which rights it was used
//! for.

use std::collections::{BTreeMap, BTreeSet};

use crate::errno::Errno;
use crate::operands::{self, FileKind, Flags, rights, takes_empty};
use crate::{
    Address, ByteString, Doubt, Doubts, Failures, FileSeen, Join as _, Name, Operation, Outcomes, Right,
    Rights, Socket, Syscall,
};

const EBADF: Errno = Errno(9);
const ENAMETOOLONG: Errno = Errno(36);
/// `PATH_MAX`, without the NUL.
const LONGEST_PATH: usize = 4095;
/// `RESOLVE_IN_ROOT` of `openat2`.
const RESOLVE_IN_ROOT: u64 = 0x10;

/// A path that the kernel or the recorder has put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Absolute, unless doubted.
    pub path: ByteString,
    /// What is not sure of it.
    pub doubts: Doubts,
}

impl Place {
    /// Whether it is the path of something: pipes, sockets and the like have none.
    fn is_somewhere(&self) -> bool {
        let is_unlinked = self.doubts.has(Doubt::Unlinked);
        let is_nowhere = is_unlinked && (self.doubts.has(Doubt::Outside) || self.is_nameless());
        !is_nowhere && !self.path.is_empty()
    }

    /// Whether it is one of `O_TMPFILE`, which the kernel calls by its number (`d_mark_tmpfile`, fs/dcache.c).
    fn is_nameless(&self) -> bool {
        let name = self.path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        name.strip_prefix(b"#")
            .is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
    }
}

/// In what way a call has to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By a path, the first or the second.
    Path(usize),
    /// By its descriptor.
    Descriptor,
    /// It was executed.
    Executed,
    /// A script was executed, and the file is its interpreter.
    Interpreter,
}

/// What a call had to do with a file.
#[derive(Debug)]
pub struct FileUse<'a> {
    /// The call.
    pub call: Syscall,
    /// In what way.
    pub how: How,
    /// The argument with its flags, or the one that decides whether it has a path at all. Of `openat2`, the flags, and
    /// in the upper half how the path is resolved.
    pub told: u64,
    /// How it failed, if it did.
    pub error: Option<Errno>,
    /// The mode of the file, if one was found.
    pub mode: Option<u16>,
    /// Whether this call made the file, where a file was found.
    pub made: bool,
    /// The file, by the kernel's own word.
    pub found: Option<Place>,
    /// What a relative path begins at.
    pub base: Option<Place>,
    /// What the program wrote.
    pub text: &'a [u8],
}

/// A path that may lead through symbolic links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// What is to be followed to its end.
    pub through: ByteString,
    /// The component behind it, a link at which is not followed.
    pub last: Option<ByteString>,
    /// What was seen of what is there.
    pub seen: FileSeen,
}

impl FileUse<'_> {
    /// What it says of which paths: of the file, and, where a path leads to it through a symbolic link, of that.
    pub fn facts(&self) -> Vec<(ByteString, FileSeen)> {
        self.facts_of(self.named().as_ref())
    }

    /// The same, where this is what the program named.
    fn facts_of(&self, named: Option<&Place>) -> Vec<(ByteString, FileSeen)> {
        let rights = self.rights();
        if rights.is_empty() {
            return Vec::new();
        }
        let seen = |rights: Rights, doubts| match self.error {
            None => FileSeen { succeeded: rights, doubts, ..FileSeen::default() },
            Some(error) => {
                FileSeen { failed: Failures::from([(error, rights)]), doubts, ..FileSeen::default() }
            }
        };
        let written = |path: &ByteString| {
            let differs = !self.text.is_empty() && self.text != path.as_bytes();
            differs.then(|| ByteString::new(self.text))
        };
        let mut facts = Vec::new();
        let found = self.found.as_ref().filter(|found| found.is_somewhere() && !self.is_nameless());
        if let Some(Place { path, doubts }) = found {
            let seen = FileSeen { written: written(path), by_kernel: true, ..seen(rights, *doubts) };
            facts.push((path.clone(), seen));
        }
        if let Some(Place { path, doubts }) = named
            && found.is_none_or(|found| found.path != *path && found.path != joined(b"", path.as_bytes()))
        {
            facts.push((path.clone(), FileSeen { written: written(path), ..seen(rights, *doubts) }));
        }
        facts
    }

    /// The same for whoever can look: what it says of which paths, and where its path may lead to through symbolic links,
    /// if the kernel has not said. A path that goes back over a name is no fact until it has been followed, or could not
    /// be.
    pub fn facts_and_leads(&self) -> (Vec<(ByteString, FileSeen)>, Vec<Lead>) {
        let named = self.named();
        let mut facts = self.facts_of(named.as_ref());
        let leads = match (facts.last(), named) {
            (Some(last), Some(named)) => self.leads(last, &named),
            _ => Vec::new(),
        };
        if leads.iter().any(|lead| lead.seen.doubts.has(Doubt::Unresolved)) {
            facts.pop();
        }
        (facts, leads)
    }

    /// Of what the program named, of which this is the last fact.
    fn leads(&self, (told, seen): &(ByteString, FileSeen), Place { path, doubts }: &Place) -> Vec<Lead> {
        let is_told = self.found.as_ref().is_some_and(Place::is_somewhere) && self.how != How::Interpreter;
        let goes_back = doubts.has(Doubt::Unresolved);
        if !doubts.without(Doubt::Unresolved).is_empty() || (is_told && !(goes_back && told == path)) {
            return Vec::new();
        }
        let follows = match self.how {
            How::Path(nth) => operands::follows_last_link(self.call, nth, self.told),
            How::Interpreter => true,
            How::Descriptor | How::Executed if goes_back => false,
            How::Descriptor | How::Executed => return Vec::new(),
        };
        let whole = Lead { through: path.clone(), last: None, seen: seen.clone() };
        // The directory of a name in a directory that the kernel has named is that.
        let is_bare = !self.text.contains(&b'/') && self.base.is_some();
        let mut parts = path.as_bytes().rsplitn(2, |byte| *byte == b'/');
        let (name, directory) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let below = match name {
            // That is no link.
            b".." => return vec![whole],
            b"" => None,
            _ if directory.is_empty() || is_bare => None,
            name => {
                let last = Some(ByteString::new(name));
                Some(Lead { through: ByteString::new(directory), last, seen: seen.clone() })
            }
        };
        match (goes_back, follows) {
            // What the kernel has found is the end; this is the link that led there.
            (true, true) if !is_told => below.into_iter().chain([whole]).collect(),
            (false, true) => vec![whole],
            (_, _) => below.into_iter().collect(),
        }
    }

    /// Whether the file has a name that the kernel gave it and that nobody can use (`O_TMPFILE`, open(2)).
    fn is_nameless(&self) -> bool {
        const TMPFILE: u64 = 0o20_000_000;
        let opens = operands::operands(self.call).is_some_and(|operands| operands.opens);
        self.how == How::Path(0) && opens && self.told & TMPFILE != 0
    }

    fn rights(&self) -> Rights {
        let kind = self.mode.and_then(|mode| FileKind::from_mode(mode.into()));
        let made = self.mode.map(|_| self.made);
        match self.how {
            How::Executed | How::Interpreter => Rights::from([Right::Execute]),
            How::Descriptor => operands::operands(self.call)
                .and_then(|operands| operands.descriptor)
                .map_or(Rights::NONE, |descriptor| Rights::from([descriptor.right])),
            How::Path(nth) => {
                let Some(operands) = operands::operands(self.call) else { return Rights::NONE };
                let when = operands.paths.get(nth).and_then(|path| path.when);
                if when.is_some_and(|when| !when.values.contains(&(self.told & when.mask))) {
                    return Rights::NONE;
                }
                rights(self.call, nth, self.told, kind, made)
            }
        }
    }

    /// Whether the path had no end where the kernel stopped to read it, so that it is not whole.
    fn is_too_long(&self) -> bool {
        self.error == Some(ENAMETOOLONG) && self.text.len() >= LONGEST_PATH
    }

    /// Whether an empty path names something.
    fn takes_empty(&self) -> bool {
        let How::Path(nth) = self.how else { return true };
        let path = operands::operands(self.call).and_then(|operands| operands.paths.get(nth));
        path.is_none_or(|path| path.null) || takes_empty(self.call, nth, self.told)
    }

    /// Whether the directory is the root to this call.
    fn begins_at_directory(&self) -> bool {
        let flags = operands::operands(self.call).map(|operands| operands.flags);
        matches!(flags, Some(Flags::OpenHow(_))) && self.told >> 32 & RESOLVE_IN_ROOT != 0
    }

    /// The path that the program named, put together.
    fn named(&self) -> Option<Place> {
        // A descriptor has no name; and by this one the kernel runs a script of a descriptor (fs/exec.c).
        let by_descriptor =
            matches!(self.how, How::Executed | How::Interpreter) && self.text.starts_with(b"/dev/fd/");
        if self.how == How::Descriptor || by_descriptor || (self.text.is_empty() && self.base.is_none()) {
            return None;
        }
        if self.text.is_empty() && !self.takes_empty() || self.is_too_long() {
            return None;
        }
        if self.begins_at_directory() {
            let base = self.base.as_ref().filter(|base| base.is_somewhere())?;
            // No `..` leads out of it.
            let below = placed(None, self.text);
            let text = below.path.as_bytes().strip_prefix(b"/").unwrap_or_default();
            return Some(placed(Some(base), text));
        }
        if self.text.starts_with(b"/") {
            return Some(placed(None, self.text));
        }
        match &self.base {
            Some(base) if base.is_somewhere() || base.path.is_empty() => Some(placed(Some(base), self.text)),
            // A descriptor of no directory: the call failed, or had no use for it.
            Some(_) => None,
            // Where it was found the kernel has said; and without a directory there is nothing to be found.
            None if self.found.is_some() || self.error == Some(EBADF) => None,
            None => {
                Some(Place { path: ByteString::new(self.text), doubts: Doubts::from_iter([Doubt::Unplaced]) })
            }
        }
    }
}

/// Where a path is that a program wrote: below the base where it is relative, which is the kernel's own word and so has
/// no symbolic links.
///
/// A `..` goes back over that, but not over a name that was written before it: that may be a link, and the path is
/// another one then. Such a path stays as it was written, and is doubted.
pub fn placed(base: Option<&Place>, text: &[u8]) -> Place {
    let base = base.filter(|_| !text.starts_with(b"/"));
    let (beginning, doubts) =
        base.map_or((&b""[..], Doubts::NONE), |base| (base.path.as_bytes(), base.doubts));
    let components = text.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    let (mut path, mut has_name, mut goes_back) = (joined(beginning, b"").as_bytes().to_vec(), false, false);
    for component in components {
        if component == b".." && !has_name {
            path = joined(&path, b"..").as_bytes().to_vec();
            continue;
        }
        has_name = true;
        goes_back |= component == b"..";
        if path != b"/" {
            path.push(b'/');
        }
        path.extend_from_slice(component);
    }
    let doubts = if goes_back { doubts.with(Doubt::Unresolved) } else { doubts };
    Place { path: ByteString::new(path), doubts }
}

/// A path that begins there, without empty components, `.` and `..`. A `..` goes back over whatever stands before it,
/// which is what it means where that is no symbolic link.
pub fn joined(base: &[u8], text: &[u8]) -> ByteString {
    let mut components: Vec<&[u8]> = Vec::new();
    for component in base.split(|byte| *byte == b'/').chain(text.split(|byte| *byte == b'/')) {
        match component {
            b"" | b"." => {}
            b".." => drop(components.pop()),
            name => components.push(name),
        }
    }
    let mut path = Vec::with_capacity(base.len() + text.len() + 1);
    for component in components {
        path.push(b'/');
        path.extend_from_slice(component);
    }
    if path.is_empty() {
        path.push(b'/');
    }
    ByteString::new(path)
}

/// What a call had to do with a socket.
#[derive(Debug)]
pub struct SocketUse {
    /// The socket, what was done with it, and the address.
    pub socket: Socket,
    /// How it failed, if it did.
    pub error: Option<Errno>,
    /// What a relative path begins at.
    pub base: Option<Place>,
}

impl SocketUse {
    /// How it ended. A connection that is under way has not failed.
    pub fn outcomes(&self) -> Outcomes {
        const EINPROGRESS: Errno = Errno(115);
        match self.error {
            None | Some(EINPROGRESS) => Outcomes::SUCCEEDED,
            Some(_) => Outcomes::FAILED,
        }
    }

    /// The same for whoever can look, as of a file.
    pub fn file_and_lead(&self) -> (Option<(ByteString, FileSeen)>, Option<Lead>) {
        let file = self.file();
        let certain = |(_, seen): &&(ByteString, FileSeen)| seen.doubts.without(Doubt::Unresolved).is_empty();
        let lead = file.as_ref().filter(certain);
        let lead = lead.map(|(path, seen)| Lead { through: path.clone(), last: None, seen: seen.clone() });
        let waits = lead.as_ref().is_some_and(|lead| lead.seen.doubts.has(Doubt::Unresolved));
        (file.filter(|_| !waits), lead)
    }

    /// The file that a socket of the file system is.
    pub fn file(&self) -> Option<(ByteString, FileSeen)> {
        let Address::UnixPath(text) = &self.socket.address else { return None };
        let rights = match self.socket.operation {
            Operation::Bind => Rights::from([Right::Create, Right::Socket]),
            Operation::Socket | Operation::Connect | Operation::Listen | Operation::Send => {
                Rights::from([Right::Socket])
            }
        };
        let is_absolute = text.as_bytes().starts_with(b"/");
        let base = if is_absolute { None } else { Some(self.base.as_ref()?) };
        let Place { path, doubts } = placed(base, text.as_bytes());
        let mut seen =
            FileSeen { doubts, written: (path != *text).then(|| text.clone()), ..FileSeen::default() };
        match self.error.filter(|_| self.outcomes().failed) {
            None => seen.succeeded = rights,
            Some(error) => seen.failed.add(error, rights),
        }
        Some((path, seen))
    }
}

/// The facts of one program in one target.
#[derive(Debug, Clone, Default)]
pub struct Uses {
    /// Of files, by path.
    pub files: BTreeMap<ByteString, FileSeen>,
    /// Of sockets.
    pub sockets: BTreeMap<Socket, Outcomes>,
    /// Names of addresses.
    pub names: BTreeSet<Name>,
}

impl Uses {
    /// Takes in what was said of paths.
    pub fn add_facts(&mut self, facts: impl IntoIterator<Item = (ByteString, FileSeen)>) {
        for (path, seen) in facts {
            self.files.entry(path).or_default().join(seen);
        }
    }

    /// The same path, in the memory in which it is kept already.
    pub fn kept(&self, path: ByteString) -> ByteString {
        self.files.get_key_value(&path).map_or(path, |(kept, _)| kept.clone())
    }

    /// Takes in what a call had to do with a socket.
    pub fn add_socket(&mut self, of: &SocketUse) {
        self.sockets.entry(of.socket.clone()).or_default().join(of.outcomes());
        self.add_facts(of.file());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_name_is_a_use_of_its_directory() {
        let place = |path: &str, doubts: &[Doubt]| {
            Some(Place { path: path.into(), doubts: doubts.iter().copied().collect() })
        };
        let of = FileUse {
            call: Syscall::from_name(crate::Abi::X86_64, "openat").unwrap(),
            how: How::Path(0),
            told: 0o20_200_002,
            error: None,
            mode: Some(0o100_600),
            made: false,
            found: place("/tmp/#4711", &[Doubt::Unlinked]),
            base: None,
            text: b"/tmp",
        };
        let paths: Vec<_> = of.facts().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, [ByteString::from("/tmp")]);
    }

    #[test]
    fn joined_paths_are_absolute_and_have_no_empty_or_dotted_components() {
        for (base, text, expected) in [
            ("", "/a/b", "/a/b"),
            ("/x/y", "a", "/x/y/a"),
            ("/x/y", "../a//./b/", "/x/a/b"),
            ("/x", "../../..", "/"),
            ("/", "", "/"),
            ("/x", "a\n\"", "/x/a\n\""),
        ] {
            let joined = joined(base.as_bytes(), text.as_bytes());
            assert_eq!(joined, ByteString::from(expected), "{base} {text}");
        }
    }

    fn place(path: &str, doubts: &[Doubt]) -> Place {
        Place { path: ByteString::from(path), doubts: doubts.iter().copied().collect() }
    }

    fn call(name: &str) -> FileUse<'static> {
        FileUse {
            call: Syscall::from_name(crate::Abi::X86_64, name).unwrap(),
            how: How::Path(0),
            told: 0,
            error: None,
            mode: None,
            made: false,
            found: None,
            base: Some(place("/d", &[])),
            text: b"",
        }
    }

    #[test]
    fn what_names_nothing_is_no_file() {
        const AT_EMPTY_PATH: u64 = 0x1000;
        let paths = |of: FileUse<'_>| -> Vec<String> {
            of.facts().iter().map(|(path, _)| path.to_string()).collect()
        };
        let unlinked = |path| Some(place(path, &[Doubt::Unlinked]));
        for (of, expected) in [
            // An empty path is the descriptor, for some calls, of which some must be asked.
            (FileUse { told: AT_EMPTY_PATH, ..call("fchownat") }, &["/d"][..]),
            (call("fchownat"), &[]),
            (call("mkdirat"), &[]),
            (call("utimensat"), &["/d"]),
            // A descriptor that is none.
            (FileUse { base: None, error: Some(EBADF), text: b"f", ..call("openat") }, &[]),
            (FileUse { base: None, error: Some(EBADF), text: b"/f", ..call("openat") }, &["/f"]),
            // What has no end is no path, and a file may have a name as long as that.
            (FileUse { error: Some(ENAMETOOLONG), text: &[b'x'; 4095], ..call("openat") }, &[]),
            (FileUse { error: Some(ENAMETOOLONG), text: b"long", ..call("openat") }, &["/d/long"]),
            // A file that was made without a name. One that had a name had it.
            (FileUse { found: unlinked("/d/#12"), text: b".", ..call("openat") }, &["/d"]),
            (FileUse { found: unlinked("/d/#12a"), text: b"/x", ..call("openat") }, &["/d/#12a", "/x"]),
            (FileUse { found: Some(place("/d/#12", &[])), text: b"#12", ..call("openat") }, &["/d/#12"]),
        ] {
            let said = format!("{of:?}");
            assert_eq!(paths(of), expected, "{said}");
        }
    }

    #[test]
    fn a_path_that_goes_back_over_a_name_stays_as_it_was_written() {
        const SURE: &[Doubt] = &[];
        const UNRESOLVED: &[Doubt] = &[Doubt::Unresolved];
        for (base, text, expected, doubts) in [
            ("/d/e", "../x", "/d/x", SURE),
            ("/d/e", "..//./../../x", "/x", SURE),
            ("/d/e", "./link/../x", "/d/e/link/../x", UNRESOLVED),
            ("/d/e", "../link/..", "/d/link/..", UNRESOLVED),
            ("/d/e", "link/../../../x", "/d/e/link/../../../x", UNRESOLVED),
            ("/d/e", "/../link//../x", "/link/../x", UNRESOLVED),
            ("/", "a..b/c", "/a..b/c", SURE),
            ("/", "", "/", SURE),
        ] {
            assert_eq!(placed(Some(&place(base, &[])), text.as_bytes()), place(expected, doubts), "{text}");
        }
        // Where the kernel has found what it is without links, nothing is in doubt.
        let of = FileUse { found: Some(place("/d/x", &[])), text: b"a/../x", ..call("openat") };
        assert_eq!(of.facts().len(), 1);
        // Whoever can look tells it when it has been followed.
        let of = FileUse { text: b"a/../x", error: Some(Errno(2)), ..call("openat") };
        let (facts, leads) = of.facts_and_leads();
        let leads: Vec<_> = leads.into_iter().map(|lead| (lead.through, lead.last)).collect();
        assert_eq!(facts, []);
        assert_eq!(leads, [("/d/a/..".into(), Some("x".into())), ("/d/a/../x".into(), None)]);
        assert_eq!(of.facts()[0].0, "/d/a/../x".into());
    }

    #[test]
    fn a_path_begins_at_the_directory_that_is_its_root() {
        for (resolve, text, expected) in [
            (RESOLVE_IN_ROOT, "/../b", "/d/b"),
            (RESOLVE_IN_ROOT, "a", "/d/a"),
            (0, "/../b", "/b"),
            (8, "../b", "/b"),
        ] {
            let of = FileUse { told: resolve << 32, text: text.as_bytes(), ..call("openat2") };
            assert_eq!(of.named(), Some(place(expected, &[])), "{text}");
        }
    }
}
