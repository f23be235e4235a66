//! Looks into executables, in a process of its own: a file system that has stopped answering, which may be the
//! workload's own, holds up nobody but that.

use std::collections::{HashMap, VecDeque};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use sandprint_sandbox::detached::{self, Helper};
use sandprint_sandbox::poll;

use crate::image::{self, BuildId, Executable, Wanted};

mod links;

/// How long nothing may come before nothing is waited for any more: longer than a busy machine keeps a helper waiting.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it is waited for room for questions, where no answer is on its way.
const MOMENT: Duration = Duration::from_millis(1);
/// Room for a question: a path of at most 4096 bytes, and what goes before it.
const MOST: usize = 8192;
/// Room for a reply: the text of a file.
const MOST_REPLY: usize = MOST + links::MOST_TEXT;

/// What is to be found out about an executable.
#[derive(Debug)]
pub(crate) enum Question {
    /// Of this file, which has this mode. It may be open for nothing (`O_PATH`).
    File(OwnedFd, u16),
    /// Of the file that the kernel has described.
    Described {
        /// Inode number.
        ino: u64,
        /// The kernel's `dev_t`.
        dev: u32,
        /// A process that ran it.
        tgid: u32,
        /// Its path as that process saw it.
        path: Vec<u8>,
    },
    /// Where an absolute path comes to through symbolic links.
    Links {
        /// The mount namespace in which it is one, and the inode of the root directory there.
        namespace: u32,
        /// As above.
        inode: u64,
        /// Processes that have had this root.
        processes: Vec<u32>,
        /// The path.
        path: Vec<u8>,
    },
    /// What a file holds that a root has: the same.
    Text { namespace: u32, inode: u64, processes: Vec<u32>, path: Vec<u8> },
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) build_id: BuildId,
    /// Whether executing it gives privileges.
    pub(crate) gives_privileges: bool,
    /// The interpreter that it asks for, the dynamic loader mostly: its path.
    pub(crate) interpreter: Option<Vec<u8>>,
}

/// An answer of either kind, as it comes.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Executable(Answer),
    /// Where a path comes to, or what a file holds; none where that could not be found out.
    Path(Option<Vec<u8>>),
}

/// A helper that reads.
#[derive(Debug)]
pub(crate) struct Reader {
    /// None where there is no helper, or none any more.
    socket: Option<OwnedFd>,
    /// Dropped after the socket.
    _helper: Option<Helper>,
    waiting: VecDeque<(u64, Question)>,
    /// Questions that were asked and not answered.
    asked: usize,
    answers: HashMap<u64, Answer>,
    /// Where paths come to or what files hold, by numbers of their own.
    paths: HashMap<u64, Vec<u8>>,
    /// For replies.
    room: Vec<u8>,
}

impl Reader {
    /// Starts the helper: before there are other threads. Where that fails nothing is found out.
    pub(crate) fn start() -> Reader {
        let (socket, helper) = detached::start(c"sandprint-read", serve).ok().unzip();
        Reader { socket, _helper: helper, ..Reader::none() }
    }

    /// One that finds out nothing.
    pub(crate) fn none() -> Reader {
        Reader {
            socket: None,
            _helper: None,
            waiting: VecDeque::new(),
            asked: 0,
            answers: HashMap::new(),
            paths: HashMap::new(),
            room: Vec::new(),
        }
    }

    /// Asks about an executable, by a number of the caller's. Waits for nothing.
    pub(crate) fn ask(&mut self, id: u64, question: Question) {
        self.waiting.push_back((id, question));
        self.attend();
    }

    /// The answer, if there is one yet.
    pub(crate) fn answer(&self, id: u64) -> Option<&Answer> {
        self.answers.get(&id)
    }

    /// Where the path of that number comes to, if that is known.
    pub(crate) fn path(&self, id: u64) -> Option<&[u8]> {
        self.paths.get(&id).map(Vec::as_slice)
    }

    /// Forgets where paths come to: their numbers are given anew.
    pub(crate) fn forget_paths(&mut self) {
        self.paths.clear();
    }

    /// Sends and takes what can be without waiting.
    fn attend(&mut self) {
        let Some(socket) = &self.socket else { return self.waiting.clear() };
        while let Some((id, question)) = self.waiting.front() {
            let bytes = question.encode(*id);
            let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut rights = SendAncillaryBuffer::new(&mut room);
            let file = if let Question::File(file, _) = question { Some([file.as_fd()]) } else { None };
            if let Some(file) = &file {
                rights.push(SendAncillaryMessage::ScmRights(file));
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match sendmsg(socket, &[IoSlice::new(&bytes)], &mut rights, flags) {
                Ok(_) => self.asked += 1,
                // Full, or too many descriptors on their way: later.
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::TOOMANYREFS) => break,
                // What cannot be asked is not answered.
                Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => {
                    self.socket = None;
                    return self.waiting.clear();
                }
                Err(_) => {}
            }
            self.waiting.pop_front();
        }
        let bytes = &mut self.room;
        bytes.resize(MOST_REPLY, 0);
        while let Ok((length, _)) = rustix::net::recv(socket, &mut bytes[..], RecvFlags::DONTWAIT) {
            let Some((id, reply)) = bytes.get(..length).and_then(Reply::decode) else { break };
            self.asked = self.asked.saturating_sub(1);
            match reply {
                Reply::Executable(answer) => drop(self.answers.insert(id, answer)),
                Reply::Path(end) => self.paths.extend(end.map(|end| (id, end))),
            }
        }
    }

    /// Waits for what was asked, as long as answers come. What does not come in time is waited for no more.
    pub(crate) fn settle(&mut self) {
        let mut until = Instant::now() + PATIENCE;
        loop {
            let before = self.asked + self.waiting.len();
            self.attend();
            let left = self.asked + self.waiting.len();
            let Some(socket) = self.socket.as_ref().filter(|_| left > 0) else { return };
            let now = Instant::now();
            if left < before {
                until = now + PATIENCE;
            } else if now >= until {
                break;
            }
            // All that was asked was answered while this side read the answers, and what had found no room for a
            // question waits: no answer will come that says that there is room again.
            let wait = if self.asked == 0 { MOMENT } else { until.saturating_duration_since(now) };
            if poll::readable([socket.as_fd()], Some(wait)).is_err() {
                break;
            }
        }
        self.socket = None;
        self.waiting.clear();
        self.asked = 0;
    }
}

impl Question {
    fn encode(&self, id: u64) -> Vec<u8> {
        let mut bytes = id.to_ne_bytes().to_vec();
        match self {
            Question::File(_, mode) => {
                bytes.push(0);
                bytes.extend(mode.to_ne_bytes());
            }
            Question::Described { ino, dev, tgid, path } => {
                bytes.push(1);
                bytes.extend(ino.to_ne_bytes());
                bytes.extend(dev.to_ne_bytes());
                bytes.extend(tgid.to_ne_bytes());
                bytes.extend(path.iter().take(4096));
            }
            Question::Links { namespace, inode, processes, path }
            | Question::Text { namespace, inode, processes, path } => {
                bytes.push(if matches!(self, Question::Links { .. }) { 2 } else { 3 });
                bytes.extend(namespace.to_ne_bytes());
                bytes.extend(inode.to_ne_bytes());
                let processes = processes.get(..processes.len().min(255)).unwrap_or_default();
                bytes.push(u8::try_from(processes.len()).unwrap_or_default());
                bytes.extend(processes.iter().flat_map(|pid| pid.to_ne_bytes()));
                bytes.extend(path.iter().take(4096));
            }
        }
        bytes
    }

    fn decode(bytes: &[u8], file: Option<OwnedFd>) -> Option<(u64, Question)> {
        let (id, rest) = bytes.split_first_chunk::<8>()?;
        let (kind, rest) = rest.split_first()?;
        let question = if *kind == 0 {
            let (mode, _) = rest.split_first_chunk::<2>()?;
            Question::File(file?, u16::from_ne_bytes(*mode))
        } else if matches!(kind, 2 | 3) {
            let (namespace, rest) = rest.split_first_chunk::<4>()?;
            let (inode, rest) = rest.split_first_chunk::<8>()?;
            let (count, rest) = rest.split_first()?;
            let (processes, path) = rest.split_at_checked(usize::from(*count) * 4)?;
            let processes = processes.chunks_exact(4).filter_map(|pid| pid.try_into().ok());
            let (namespace, inode) = (u32::from_ne_bytes(*namespace), u64::from_ne_bytes(*inode));
            let (processes, path) = (processes.map(u32::from_ne_bytes).collect(), path.to_vec());
            if *kind == 2 {
                Question::Links { namespace, inode, processes, path }
            } else {
                Question::Text { namespace, inode, processes, path }
            }
        } else {
            let (ino, rest) = rest.split_first_chunk::<8>()?;
            let (dev, rest) = rest.split_first_chunk::<4>()?;
            let (tgid, path) = rest.split_first_chunk::<4>()?;
            Question::Described {
                ino: u64::from_ne_bytes(*ino),
                dev: u32::from_ne_bytes(*dev),
                tgid: u32::from_ne_bytes(*tgid),
                path: path.to_vec(),
            }
        };
        Some((u64::from_ne_bytes(*id), question))
    }

    /// Finds it out. This may take for ever.
    fn reply(&self) -> Reply {
        let executable = |Executable { build_id, interpreter }, gives_privileges| {
            Reply::Executable(Answer { build_id, gives_privileges, interpreter })
        };
        match self {
            Question::File(file, mode) => {
                let link = format!("/proc/self/fd/{}", file.as_raw_fd());
                let link = Path::new(&link);
                executable(image::executable_at(link), gives_privileges(*mode, link))
            }
            Question::Described { ino, dev, tgid, path } => {
                let wanted = Wanted { ino: *ino, dev: *dev, tgid: *tgid, path };
                executable(image::executable(&wanted), false)
            }
            Question::Links { namespace, inode, processes, path } => {
                Reply::Path(links::follow(*namespace, *inode, processes, path))
            }
            Question::Text { namespace, inode, processes, path } => {
                Reply::Path(links::text(*namespace, *inode, processes, path))
            }
        }
    }
}

/// Bytes, with how many they are before them.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    [&length.to_ne_bytes()[..], bytes].concat()
}

/// What [`with_length`] wrote, and what follows it.
fn of_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_ne_bytes(*length)).ok()?)
}

impl Reply {
    fn encode(&self, id: u64) -> Vec<u8> {
        let mut bytes = id.to_ne_bytes().to_vec();
        match self {
            Reply::Executable(Answer { build_id, gives_privileges, interpreter }) => {
                let (kind, name) = match build_id {
                    BuildId::Unreadable => (0, ""),
                    BuildId::None => (1, ""),
                    BuildId::Known(id) => (2, id.as_str()),
                };
                bytes.extend([0, u8::from(*gives_privileges), kind]);
                bytes.extend(with_length(name.as_bytes()));
                bytes.extend(interpreter.as_deref().map(with_length).unwrap_or_default());
            }
            Reply::Path(end) => {
                bytes.push(1);
                bytes.extend(end.as_deref().map(with_length).unwrap_or_default());
            }
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<(u64, Reply)> {
        let (id, rest) = bytes.split_first_chunk::<8>()?;
        let optional = |bytes| of_length(bytes).map(|(path, _)| path.to_vec());
        let reply = match rest {
            [0, privileges, kind, rest @ ..] => {
                let (name, interpreter) = of_length(rest)?;
                let build_id = match kind {
                    0 => BuildId::Unreadable,
                    1 => BuildId::None,
                    _ => BuildId::Known(String::from_utf8(name.to_vec()).ok()?),
                };
                let interpreter = optional(interpreter);
                Reply::Executable(Answer { build_id, gives_privileges: *privileges != 0, interpreter })
            }
            [1, end @ ..] => Reply::Path(optional(end)),
            _ => return None,
        };
        Some((u64::from_ne_bytes(*id), reply))
    }
}

/// Answers until nobody asks any more.
fn serve(socket: &OwnedFd) {
    let mut bytes = vec![0; MOST];
    loop {
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = RecvAncillaryBuffer::new(&mut room);
        let received =
            recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut rights, RecvFlags::CMSG_CLOEXEC);
        let Ok(received) = received else { return };
        if received.bytes == 0 || received.flags.contains(ReturnFlags::TRUNC) {
            return;
        }
        let mut files = rights.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        });
        let file = files.next().and_then(|mut files| files.next());
        let question = bytes.get(..received.bytes).and_then(|bytes| Question::decode(bytes, file));
        let Some((id, question)) = question else { continue };
        let answer = question.reply().encode(id);
        if rustix::net::send(socket, &answer, SendFlags::NOSIGNAL).is_err() {
            return;
        }
    }
}

/// Whether executing the file at `link` gives privileges: set-user-id or set-group-id bits, or capabilities
/// (capabilities(7)), on a file system that grants them.
fn gives_privileges(mode: u16, link: &Path) -> bool {
    const SET_USER: u16 = 0o4000;
    const SET_GROUP_AND_EXECUTE: u16 = 0o2010;
    let granted = rustix::fs::statvfs(link)
        .is_ok_and(|system| !system.f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID));
    let bits = mode & SET_USER != 0 || mode & SET_GROUP_AND_EXECUTE == SET_GROUP_AND_EXECUTE;
    granted && (bits || rustix::fs::getxattr(link, "security.capability", &mut [0_u8; 64]).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_survive_the_way() {
        let question = Question::Described { ino: 7, dev: 8, tgid: 9, path: b"/a\xff".to_vec() };
        let Some((5, Question::Described { ino: 7, dev: 8, tgid: 9, path })) =
            Question::decode(&question.encode(5), None)
        else {
            panic!("another question");
        };
        assert_eq!(path, b"/a\xff");
        let links = Question::Links { namespace: 7, inode: 8, processes: vec![9, 10], path: b"/a".to_vec() };
        let Some((6, Question::Links { namespace: 7, inode: 8, processes, path })) =
            Question::decode(&links.encode(6), None)
        else {
            panic!("another question");
        };
        assert_eq!((&processes[..], &path[..]), (&[9, 10][..], &b"/a"[..]));
        let text = Question::Text { namespace: 7, inode: 8, processes: vec![9], path: b"/a".to_vec() };
        assert!(matches!(
            Question::decode(&text.encode(6), None),
            Some((6, Question::Text { namespace: 7, inode: 8, processes, path })) if processes == [9] && path == b"/a"
        ));
        let loader = Some(b"/lib/ld.so".to_vec());
        for build_id in [BuildId::None, BuildId::Unreadable, BuildId::Known("ab01".to_owned())] {
            for interpreter in [None, loader.clone()] {
                let answer = Answer { build_id: build_id.clone(), gives_privileges: true, interpreter };
                let reply = Reply::Executable(answer);
                assert_eq!(Reply::decode(&reply.encode(6)), Some((6, reply)));
            }
        }
        for end in [None, loader] {
            let reply = Reply::Path(end);
            assert_eq!(Reply::decode(&reply.encode(6)), Some((6, reply)));
        }
        assert!(Question::decode(&[0; 8], None).is_none() && Reply::decode(&[]).is_none());
    }

    #[test]
    fn many_are_asked_and_all_are_answered_and_what_never_comes_is_not_waited_for() {
        let mut reader = Reader::start();
        let me = std::env::current_exe().unwrap();
        for id in 0..2000 {
            let file = std::fs::File::open(&me).unwrap();
            reader.ask(id, Question::File(file.into(), 0o755));
        }
        reader.settle();
        let known = (0..2000).filter(
            |id| matches!(reader.answer(*id), Some(answer) if answer.build_id != BuildId::Unreadable),
        );
        assert_eq!(known.count(), 2000);

        // The other end neither answers nor ends.
        let (ours, _theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let mut reader = Reader { socket: Some(ours.into()), ..Reader::none() };
        reader.ask(1, Question::Described { ino: 1, dev: 1, tgid: 1, path: Vec::new() });
        let begin = Instant::now();
        reader.settle();
        reader.settle();
        assert!((PATIENCE..PATIENCE * 10).contains(&begin.elapsed()));
        assert_eq!(reader.answer(1), None);
    }

    /// So many that questions wait for room, and now and then all that were asked are answered before the rest is.
    #[test]
    fn paths_without_number_are_all_answered() {
        const PATHS: u64 = 60_000;
        let mut reader = Reader::start();
        let inode = |path: &str| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
        let namespace = u32::try_from(inode("/proc/self/ns/mnt")).unwrap();
        let root = inode("/");
        for id in 0..PATHS {
            let path = format!("/none-{id}").into_bytes();
            reader.ask(id, Question::Links { namespace, inode: root, processes: Vec::new(), path });
        }
        reader.settle();
        assert_eq!((0..PATHS).filter(|id| reader.path(*id).is_none()).count(), 0);
    }
}
