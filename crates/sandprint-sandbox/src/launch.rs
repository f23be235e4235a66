//! Starting a workload in two steps: first a child that waits, then its execve.
//!
//! In between, a recorder can be attached to it. What the workload sees is what it would see without us:
//! the same process group, session, terminal, working directory, umask, limits, environment, descriptors,
//! ignored and blocked signals, even where this process changed its own meanwhile.
//! What differs:
//!
//! - Its parent is this process. Orphans of the workload go where they would go without us (this process
//!   does not make itself a subreaper, which the workload could see in its descendants' parent), so their
//!   end is for the recorder to notice.
//! - A parent-death signal (`PR_SET_PDEATHSIG`) and pending signals of this process are not handed on,
//!   since fork(2) does not. A running alarm(2) stays ours; [`foreground`](crate::foreground) hands its
//!   signal on.
//!
//! The child makes one execve, of a file that was found before: as bash and strace do, it runs the first file
//! of PATH that may be executed. A script without `#!` is not handed to a shell (execvp would, strace does
//! not): what runs is what was asked for, and the error says what is missing.
//!
//! [`Launch::replace`] is the other way: no child, this process itself becomes the workload.
//!
//! A notified launch installs a filter (see [`notify`](crate::notify)) after all else; what the child then still
//! does itself is not reported.
//!
//! If this process ends before [`Suspended::release`], whatever ended it, the child ends too and never
//! executes anything: it waits for a byte on a socket, and reads its end instead. After that, the workload
//! lives on without us.

mod error;
mod prepare;
mod replace;
mod sys;
mod watched;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::sys::{Report, Socket, Stage};
use self::watched::End;
pub use error::{Failure, LaunchError};
pub use replace::{LastWords, Replacement};
pub use watched::Watched;

use crate::confine::{ConfineError, Confinement, Flags, Obstacle, Step};
use crate::notify::{Listener, Reported};
use crate::poll;
use crate::probe;
use crate::process::{self, Ended, Process, ProcessError, wait::Wait};
use crate::signals::{Signal, sys::keep_exit_statuses};
use crate::stop;
use crate::user::User;

/// How often a child that has not reported yet is looked at, for it may have been stopped.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program: a path if it has a slash, otherwise a name to find in this process's PATH.
    pub program: OsString,
    /// What the program sees as its name (argv\[0\]); `program` if `None`.
    pub argv0: Option<OsString>,
    /// Its arguments, without the name.
    pub arguments: Vec<OsString>,
    /// Who to become; `None` to stay who we are.
    pub user: Option<User>,
    /// Changes to the inherited environment, in this order, after those of the user
    /// ([`User::variables`]). `None` removes a variable.
    pub variables: Vec<(OsString, Option<OsString>)>,
    /// Its standard input, where that is another than ours.
    pub stdin: Option<Arc<OwnedFd>>,
    /// What it is confined by, from just before its execve on. A failure of that execve is then told only as far
    /// as the filter lets a child send a message.
    pub confinement: Option<Confinement>,
    /// Which calls from the execve on are reported to a [`Listener`], if any: [`Suspended::notifications`].
    pub notified: Option<Reported>,
    /// A process that may trace it, though it is none above it (`PR_SET_PTRACER`; Yama refuses others).
    pub tracer: Option<u32>,
}

impl Launch {
    /// A program with arguments, as the user we are, in the environment we have.
    pub fn new(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Launch {
        Launch {
            program: program.into(),
            argv0: None,
            arguments: arguments.into_iter().map(Into::into).collect(),
            user: None,
            variables: Vec::new(),
            stdin: None,
            confinement: None,
            notified: None,
            tracer: None,
        }
    }

    /// Makes the child, which becomes the user, finds the program, and waits.
    ///
    /// When this returns, all that the child has left to do is one read of its socket and the execve.
    pub fn suspend(&self) -> Result<Suspended, LaunchError> {
        for calls in [probe::SIGNALS, probe::LAUNCH] {
            probe::survive(calls).map_err(|deadly| LaunchError::Fork { source: deadly.into() })?;
        }
        if self.confinement.is_some() {
            probe::survive(probe::FILTERS).map_err(|deadly| LaunchError::Filter { source: deadly.into() })?;
        }
        let plan = prepare::plan(self)?;
        keep_exit_statuses().map_err(|source| LaunchError::Fork { source })?;
        let forked = sys::fork(&plan).map_err(|source| LaunchError::Fork { source })?;
        let process = Process::new(forked.pid, forked.pidfd);
        let socket = forked.socket;
        // From here on, leaving early drops the child, which kills it.
        let mut child = Child { process, ended: None, watched: None, ends_with_us: true };
        match child.report(&socket)? {
            Some((Report { stage: Stage::Ready, detail, .. }, descriptor)) => {
                let program = plan.path(detail).unwrap_or_else(|| PathBuf::from(&self.program));
                let listener = plan.filter.as_ref().zip(descriptor);
                let listener =
                    listener.map(|(filter, descriptor)| Listener::new(descriptor, filter.killable));
                Ok(Suspended { child, socket, program, confinement: plan.confinement, listener })
            }
            Some((report, _)) => Err(failure(self, &plan, report)),
            None => Err(child.ended_early()),
        }
    }
}

/// What a report of failure says.
fn failure(launch: &Launch, plan: &prepare::Plan, report: Report) -> LaunchError {
    let source = io::Error::from_raw_os_error(report.errno);
    let identity = |operation, source| match &launch.user {
        Some(user) => LaunchError::Identity { operation, uid: user.uid, gid: user.gid, source },
        None => LaunchError::Talk { source },
    };
    match report.stage {
        Stage::Limit => LaunchError::Limit { resource: report.detail, source },
        Stage::Groups => identity("setgroups", source),
        Stage::Gid => identity("setresgid", source),
        Stage::Uid => identity("setresuid", source),
        Stage::Filter => LaunchError::Filter { source },
        Stage::Confine => unconfined(plan.confinement.as_ref(), report),
        Stage::Ready | Stage::Find | Stage::Execute => {
            let path = plan.path(report.detail).unwrap_or_else(|| PathBuf::from(&launch.program));
            LaunchError::Execute { path, source }
        }
    }
}

/// Why a child was not confined.
fn unconfined(confinement: Option<&Confinement>, report: Report) -> LaunchError {
    let flags = confinement.map_or(Flags::NONE, |confinement| confinement.flags);
    let step = Step::ALL.into_iter().find(|&step| step as u32 == report.detail).unwrap_or(Step::Install);
    let obstacle = Obstacle { step, errno: report.errno };
    LaunchError::Confine { source: ConfineError::of(obstacle, flags) }
}

/// A child that waits before its execve. Dropped, it is killed and gone, without having executed anything.
#[derive(Debug)]
pub struct Suspended {
    child: Child,
    socket: Socket,
    program: PathBuf,
    confinement: Option<Confinement>,
    listener: Option<Listener>,
}

impl Suspended {
    /// Its process number, which the workload keeps.
    pub fn pid(&self) -> u32 {
        self.child.process.pid()
    }

    /// Its pidfd.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.child.process.as_fd()
    }

    /// The file that it will execute: the program as given, or where PATH has it.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where its calls are reported, if the launch is [notified](Launch::notified): once. Its execve is the first,
    /// so somebody must answer while [`Suspended::release`] waits for that.
    pub fn notifications(&mut self) -> Option<Listener> {
        self.listener.take()
    }

    /// From here on a tracer in this process says how it is.
    pub fn watched_by(&mut self, watched: Arc<Watched>) {
        self.child.watched = Some(watched);
    }

    /// Why it will not execute, if something has ended it meanwhile (Ctrl-C is for it, too): what else failed then, failed
    /// for that.
    pub fn ended(&mut self) -> Option<LaunchError> {
        let ended = self.child.process.wait_ended(Duration::ZERO).unwrap_or(false);
        ended.then(|| self.child.ended_early())
    }

    /// Lets it execute. When this returns [`Running`], it has.
    pub fn release(mut self) -> Result<Running, LaunchError> {
        if let Err(source) = self.socket.send_go() {
            // Its end is closed only when it is gone.
            return Err(if source.kind() == io::ErrorKind::BrokenPipe {
                self.child.ended_early()
            } else {
                LaunchError::Talk { source }
            });
        }
        if let Some((report, _)) = self.child.report(&self.socket)? {
            if report.stage == Stage::Confine {
                return Err(unconfined(self.confinement.as_ref(), report));
            }
            let source = io::Error::from_raw_os_error(report.errno);
            let path = self.program;
            // The file was there a moment ago: what is missing is what should run it.
            return Err(if report.errno == libc::ENOENT && path.exists() {
                LaunchError::Interpreter { path, source }
            } else {
                LaunchError::Execute { path, source }
            });
        }
        // Its end is closed: by the execve, or because it ended before.
        if process::has_never_executed(self.pid()) == Some(true) {
            return Err(self.child.ended_early());
        }
        self.child.ends_with_us = false;
        Ok(Running { child: self.child })
    }
}

/// A workload that runs, or has ended. Dropped, it is left alone: it goes on, and if it ends before this
/// process does, what remains of it (a zombie) goes when this process does.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// The number of its first process.
    pub fn pid(&self) -> u32 {
        self.child.process.pid()
    }

    /// Readable once its first process has ended.
    pub fn end(&self) -> BorrowedFd<'_> {
        self.child.end()
    }

    /// How its first process ended, as far as anybody has looked: [`Running::try_wait`] or
    /// [`Foreground::attend`](crate::foreground::Foreground::attend).
    pub fn ended(&self) -> Option<Ended> {
        self.child.ended
    }

    /// How its first process ended; `None` while it lives. Who has a [`Foreground`](crate::foreground::Foreground)
    /// leaves this to it, and asks [`Running::ended`]: it knows which signals came before.
    pub fn try_wait(&mut self) -> Result<Option<Ended>, ProcessError> {
        self.child.wait(Wait::Look)
    }

    /// Waits for the end of its first process. Without attention to signals: see
    /// [`Foreground`](crate::foreground::Foreground).
    pub fn wait(&mut self) -> Result<Ended, ProcessError> {
        loop {
            if let Some(ended) = self.child.wait(Wait::UntilEnded)? {
                return Ok(ended);
            }
        }
    }

    /// The signal by which its first process is stopped, if it is stopped now.
    pub fn stopped(&self) -> Result<Option<Signal>, ProcessError> {
        self.child.stopped()
    }

    /// Sends a signal to its first process. False if that has ended.
    pub fn signal(&self, signal: Signal) -> Result<bool, ProcessError> {
        self.child.process.signal(signal)
    }
}

/// A child of ours, and whether it was reaped.
#[derive(Debug)]
struct Child {
    process: Process,
    ended: Option<Ended>,
    /// Where a tracer says how it is, if there is one.
    watched: Option<Arc<Watched>>,
    /// Whether it is killed when this is dropped.
    ends_with_us: bool,
}

impl Child {
    fn wait(&mut self, wait: Wait) -> Result<Option<Ended>, ProcessError> {
        if self.ended.is_some() {
            return Ok(self.ended);
        }
        if let Some(watched) = &self.watched {
            if wait == Wait::UntilEnded {
                let pid = self.process.pid();
                poll::readable([watched.as_fd()], None)
                    .map_err(|source| ProcessError::Wait { pid, source })?;
            }
            match watched.how_it_ended() {
                End::Lives => {}
                End::Ended(ended) => self.ended = Some(ended),
                End::Untraced => self.watched = None,
            }
        }
        if self.watched.is_none() && self.ended.is_none() {
            self.ended = process::wait::wait_ended(self.process.as_fd(), wait)
                .map_err(|source| ProcessError::Wait { pid: self.process.pid(), source })?;
        }
        Ok(self.ended)
    }

    fn stopped(&self) -> Result<Option<Signal>, ProcessError> {
        if self.ended.is_some() {
            return Ok(None);
        }
        if let Some(watched) = self.watched.as_ref().filter(|watched| watched.is_traced()) {
            return Ok(watched.is_stopped());
        }
        process::wait::stopped(self.process.as_fd())
            .map_err(|source| ProcessError::Wait { pid: self.process.pid(), source })
    }

    /// Readable once it has ended.
    fn end(&self) -> BorrowedFd<'_> {
        match &self.watched {
            Some(watched) if watched.is_traced() => watched.as_fd(),
            _ => self.process.as_fd(),
        }
    }

    /// What it says next; `None` if it closed its end of the socket.
    ///
    /// A Ctrl-Z at this time stops it. Then we stop too, since the shell knows only us and is to take its
    /// terminal back; `fg` continues both.
    fn report(&self, socket: &Socket) -> Result<Option<(Report, Option<OwnedFd>)>, LaunchError> {
        let talk = |source| LaunchError::Talk { source };
        loop {
            let [ready] = poll::readable([socket.as_fd()], Some(LOOK_AGAIN)).map_err(talk)?;
            if ready {
                return socket.receive().map_err(talk);
            }
            if let Ok(Some(signal)) = self.stopped() {
                stop::with(signal, false).map_err(talk)?;
            }
        }
    }

    /// The error that says how it ended without having executed anything.
    fn ended_early(&mut self) -> LaunchError {
        match self.wait(Wait::UntilEnded) {
            Ok(Some(ended)) => LaunchError::Ended { exit: ended.exit },
            Ok(None) => LaunchError::Talk { source: io::ErrorKind::InvalidData.into() },
            Err(ProcessError::Wait { source, .. }) => LaunchError::Talk { source },
            Err(error) => LaunchError::Talk { source: io::Error::other(error) },
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ends_with_us && self.ended.is_none() {
            // Neither fails for a child of ours that nobody else reaps.
            self.process.signal(Signal::KILL).unwrap_or_default();
            self.wait(Wait::UntilEnded).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests;
