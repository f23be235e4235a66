//! Which signals belong to the workload, and stopping and going on together with it.
//!
//! The workload is in our process group, as it would be in our place. So what the terminal sends (Ctrl-C,
//! Ctrl-\, Ctrl-Z, a hangup) it gets by itself, and what is left for us is:
//!
//! - not to die of it: while its first process lives, an end is for that process to decide;
//! - to hand on what a process sent to us, for who started us knows only our number (`kill`, `timeout`,
//!   a supervisor). Whoever signals the whole group reaches the workload twice then, since nothing tells a
//!   signal to a group from one to us; the opposite mistake would lose signals. What comes from the workload
//!   itself (`kill 0`) is never handed back;
//! - to stop when it stops, and only then: a program that catches Ctrl-Z to put the terminal in order first
//!   needs the terminal until it is done, and the shell takes it away as soon as we stop.
//!
//! A signal to a whole process group reaches us and the workload, and may have ended it by the time we look. So a
//! signal is ours only if it came after the end of the first process had been seen: [`Foreground::attend`] alone
//! takes note of that end, and whatever has come until then was the workload's.
//!
//! A workload may make a process group of its own (an interactive shell, timeout(1)). In our place, as a
//! shell's job, it would lead the group that the shell made for it, and nothing would change; behind us it
//! leaves the group that the terminal knows. Then we stand for it: what the terminal sends to our group goes
//! on to that one, and it gets the terminal when its first process is stopped for want of it, and when `fg`
//! gives it to us. A mere descendant that wants the terminal there is not helped: we do not see it stop
//! (`timeout sh -c 'read line'`; its option `--foreground` is for that, as under strace or time).

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use sandprint_model::Exit;

use crate::launch::{LaunchError, Running, Suspended};
use crate::process::{self, ProcessError};
use crate::signals::{Event, Sender, Signal, Signals, SignalsError, sys::stop_self};
use crate::stop;

/// Failures of [`Foreground`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForegroundError {
    /// Taking or reading signals.
    #[error(transparent)]
    Signals(SignalsError),
    /// Looking at the workload, or sending to it.
    #[error(transparent)]
    Process(ProcessError),
    /// Stopping together with the workload.
    #[error("stop together with the workload")]
    Stop {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// The signals of a process that has a workload, and the rules for them.
///
/// To be installed before the workload is started and before there are threads; then
/// [`attend`](Foreground::attend) is to be called whenever the descriptor is readable.
#[derive(Debug)]
pub struct Foreground {
    signals: Signals,
    /// Came before the workload was let go, and is to be served then.
    kept: VecDeque<Event>,
    /// What asked the workload or us to end, and came from outside of its tree: the last of it.
    asked_to_end: Option<Signal>,
    /// A stop was asked of us, and the workload has not stopped yet.
    stop_asked: bool,
    /// The group of the workload to which we gave the terminal.
    lent_to: Option<u32>,
}

impl Foreground {
    /// Takes the signals of this process. Those that its caller had ignored stay ignored, for the workload too.
    pub fn install() -> Result<Foreground, ForegroundError> {
        Foreground::with(Signals::install())
    }

    /// Takes the signals of a process that starts no workload, also SIGINT, SIGQUIT and SIGTERM where its caller had
    /// them ignored: a shell without job control does that to what it starts in the background, and there would be no
    /// way to end it in good order. SIGHUP stays ignored where it was (nohup).
    pub fn install_alone() -> Result<Foreground, ForegroundError> {
        Foreground::with(Signals::install_though_ignored(&[Signal::INT, Signal::QUIT, Signal::TERM]))
    }

    fn with(signals: Result<Signals, SignalsError>) -> Result<Foreground, ForegroundError> {
        let signals = signals.map_err(ForegroundError::Signals)?;
        Ok(Foreground {
            signals,
            kept: VecDeque::new(),
            asked_to_end: None,
            stop_asked: false,
            lent_to: None,
        })
    }

    /// Lets a suspended child execute, unless a signal asked for an end while it could not have it, or not yet: then
    /// it is gone without having executed anything, as if that signal had ended it.
    pub fn release(&mut self, suspended: Suspended) -> Result<Running, LaunchError> {
        let mut end = None;
        let next = |signals: &mut Signals| {
            signals.next().map_err(|error| LaunchError::Talk { source: io::Error::other(error) })
        };
        while let Some(event) = next(&mut self.signals)? {
            if without_workload(event) == Alone::End {
                end = Some(event.signal);
            } else {
                self.kept.push_back(event);
            }
        }
        match end {
            None => suspended.release(),
            Some(signal) => {
                self.asked_to_end = Some(signal);
                drop(suspended);
                Err(LaunchError::Ended { exit: Exit::Signal(signal.number()) })
            }
        }
    }

    /// The last signal that asked the workload or this process to end (SIGINT, SIGQUIT, SIGTERM or SIGHUP), and came
    /// from outside of the workload, if any ever did.
    pub fn asked_to_end(&self) -> Option<Signal> {
        self.asked_to_end
    }

    fn next(&mut self) -> Result<Option<Event>, ForegroundError> {
        match self.kept.pop_front() {
            Some(event) => Ok(Some(event)),
            None => self.signals.next().map_err(ForegroundError::Signals),
        }
    }

    /// Does what the signals that came ask for, without waiting (other than being stopped), and takes note of the
    /// end of the workload's first process ([`Running::ended`]).
    ///
    /// Returns a signal that asks this process to end what it does, if one came: SIGINT, SIGQUIT, SIGTERM or
    /// SIGHUP, after the end of the first process of the workload was noted, or where there is none (`None`).
    ///
    /// `in_tree` says whether a process belongs to the workload; [`process::descends`] is an answer.
    pub fn attend(
        &mut self,
        mut workload: Option<&mut Running>,
        in_tree: impl Fn(u32) -> bool,
    ) -> Result<Option<Signal>, ForegroundError> {
        let mut then = Then::Nothing;
        // What came until its end is seen was for it.
        let is_ours = workload.as_ref().is_none_or(|running| running.ended().is_some());
        let first = workload.as_ref().map(|running| running.pid());
        let of_tree =
            |event: Event| matches!(event.sender, Sender::Process(pid) if Some(pid) == first || in_tree(pid));
        let mut looked_after_end = false;
        loop {
            let mut fresh = false;
            while let Some(event) = self.next()? {
                fresh = true;
                let Some(running) = living(&mut workload)? else {
                    match without_workload(event) {
                        Alone::Nothing => {}
                        Alone::Stop => stop(event.signal)?,
                        Alone::End if is_ours => {
                            self.asked_to_end = Some(event.signal);
                            return Ok(Some(event.signal));
                        }
                        Alone::End if of_tree(event) => {}
                        Alone::End => self.asked_to_end = Some(event.signal),
                    }
                    continue;
                };
                let from_tree = of_tree(event);
                if !from_tree && without_workload(event) == Alone::End {
                    self.asked_to_end = Some(event.signal);
                }
                match self.serve(event, from_tree, running)? {
                    Then::Nothing => {}
                    // The later one counts. An old SIGCHLD, of the stop that is over, comes before the SIGCONT
                    // that ends it, since its number is lower; one that comes after it is of a new stop.
                    latest => then = latest,
                }
            }
            let Some(running) = living(&mut workload)? else {
                self.take_terminal_back();
                if is_ours || looked_after_end {
                    return Ok(None);
                }
                // Who signals a group has signalled all of it before any of it can be seen to have ended: what ended
                // the workload has come to us too by now, and may have come after we looked.
                looked_after_end = true;
                continue;
            };
            let Some(signal) = stopped(running)? else { return Ok(None) };
            match then {
                Then::Nothing => return Ok(None),
                Then::Look => {
                    self.follow_stop(running, signal)?;
                    then = Then::Nothing;
                }
                // The stop that we see may be newer than the SIGCONT. Then it is announced by now.
                Then::Continue if fresh => {}
                Then::Continue => {
                    continue_it(running, own_group(running))?;
                    return Ok(None);
                }
            }
        }
    }

    /// Hands on what is to be handed on while the first process lives; says what is left to do.
    fn serve(&mut self, event: Event, from_tree: bool, running: &Running) -> Result<Then, ForegroundError> {
        let group = own_group(running);
        // A hangup follows the end of our session or of who watches our group, whoever leads that.
        let stands_for_it = group.is_some() && (event.signal == Signal::HUP || process::is_job());
        let duty = with_workload(event, from_tree, stands_for_it);
        match (duty.hand_on, group) {
            (HandOn::No, _) => {}
            (HandOn::Group, Some(group)) => send_to_group(group, event.signal),
            (HandOn::Process | HandOn::Group, _) => send(running, event.signal)?,
        }
        self.stop_asked = duty.stop_is_asked || (self.stop_asked && duty.then != Then::Continue);
        Ok(duty.then)
    }

    /// The workload is stopped: stops too, where that is of use. The SIGCONT that ends this is then still to
    /// be served.
    fn follow_stop(&mut self, running: &Running, signal: Signal) -> Result<(), ForegroundError> {
        let us = std::process::id();
        let group = own_group(running);
        let in_front = || process::foreground_group(us);
        if let Some(group) = group
            && matches!(signal, Signal::TTIN | Signal::TTOU)
            && !self.stop_asked
            && in_front() == process::group(us)
            && process::is_job()
        {
            // It was stopped only because we have its terminal.
            self.lend_terminal(group);
            return continue_it(running, Some(group));
        }
        // A shell that stops itself may keep the terminal (`suspend` of bash), and `fg` will give it to us.
        let had_terminal = group.filter(|&group| in_front() == Some(group));
        stop::with(signal, self.stop_asked).map_err(|source| ForegroundError::Stop { source })?;
        self.stop_asked = false;
        if let Some(group) = had_terminal
            && in_front() == process::group(us)
        {
            self.lend_terminal(group);
        }
        Ok(())
    }

    fn lend_terminal(&mut self, group: u32) {
        // It fails if the group is gone, and then nobody wants it.
        if process::give_terminal(group).is_ok() {
            self.lent_to = Some(group);
        }
    }

    /// Whoever reads the terminal after us (a script's next command) is in our group.
    fn take_terminal_back(&mut self) {
        let us = std::process::id();
        if let Some(group) = self.lent_to.take()
            && process::foreground_group(us) == Some(group)
            && let Some(ours) = process::group(us)
        {
            // It fails if the terminal is gone.
            process::give_terminal(ours).unwrap_or_default();
        }
    }
}

impl AsFd for Foreground {
    /// Readable when [`Foreground::attend`] has something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}

impl Drop for Foreground {
    /// Gives the signals back, and takes the terminal back if it was lent.
    fn drop(&mut self) {
        self.take_terminal_back();
    }
}

/// The workload, if its first process lives.
fn living<'a>(workload: &'a mut Option<&mut Running>) -> Result<Option<&'a mut Running>, ForegroundError> {
    let Some(running) = workload.as_deref_mut() else { return Ok(None) };
    let ended = running.try_wait().map_err(ForegroundError::Process)?.is_some();
    Ok((!ended).then_some(running))
}

/// The process group of the workload, if it is another than ours, in our session.
fn own_group(running: &Running) -> Option<u32> {
    let us = std::process::id();
    let same_session = process::session(running.pid()) == process::session(us);
    process::group(running.pid()).filter(|&group| same_session && process::group(us) != Some(group))
}

fn continue_it(running: &Running, group: Option<u32>) -> Result<(), ForegroundError> {
    match group {
        Some(group) => send_to_group(group, Signal::CONT),
        None => send(running, Signal::CONT)?,
    }
    Ok(())
}

fn send(running: &Running, signal: Signal) -> Result<(), ForegroundError> {
    // If it is gone, its end is for our caller to see.
    running.signal(signal).map(|_reached| ()).map_err(ForegroundError::Process)
}

fn send_to_group(group: u32, signal: Signal) {
    // It fails if the group is gone, or is another user's as a whole.
    process::sys::signal_group(group, signal).unwrap_or_default();
}

fn stopped(running: &Running) -> Result<Option<Signal>, ForegroundError> {
    running.stopped().map_err(ForegroundError::Process)
}

fn stop(signal: Signal) -> Result<(), ForegroundError> {
    stop_self(signal).map_err(|source| ForegroundError::Stop { source })
}

/// What an event asks for while the first process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Duty {
    /// To whom to send the same signal.
    hand_on: HandOn,
    /// Stop when the workload does, whatever stops it.
    stop_is_asked: bool,
    then: Then,
}

/// What is left to do when all events are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Then {
    #[default]
    Nothing,
    /// Stop with the workload, if it is stopped.
    Look,
    /// Continue the workload, if it is stopped: who continued our group has continued it too, unless it is in
    /// one of its own, or only we were continued.
    Continue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum HandOn {
    #[default]
    No,
    /// To the first process.
    Process,
    /// To the group of the workload.
    Group,
}

fn with_workload(event: Event, from_tree: bool, stands_for_it: bool) -> Duty {
    let hand_on = match event.sender {
        // An alarm(2) that was set before us, for the program in whose place we are.
        Sender::Kernel if event.signal == Signal::ALRM => HandOn::Process,
        // The terminal's, for our group.
        Sender::Kernel if stands_for_it => HandOn::Group,
        Sender::Kernel => HandOn::No,
        Sender::Process(_) if from_tree => HandOn::No,
        Sender::Process(_) => HandOn::Process,
    };
    let nothing = Duty::default();
    match event.signal {
        Signal::CHLD => Duty { then: Then::Look, ..nothing },
        Signal::CONT if from_tree => nothing,
        Signal::CONT => Duty { then: Then::Continue, ..nothing },
        // What the kernel sends of these is about a process of our group, and not about the workload's.
        Signal::TTIN | Signal::TTOU if event.sender == Sender::Kernel => {
            Duty { stop_is_asked: true, then: Then::Look, ..nothing }
        }
        // Should the workload have got it too, the second is forgotten when it is continued.
        Signal::TSTP | Signal::TTIN | Signal::TTOU => Duty { hand_on, stop_is_asked: true, then: Then::Look },
        _ => Duty { hand_on, ..nothing },
    }
}

/// What an event asks for when there is no first process, or no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    Nothing,
    Stop,
    End,
}

fn without_workload(event: Event) -> Alone {
    match event.signal {
        Signal::INT | Signal::QUIT | Signal::TERM | Signal::HUP => Alone::End,
        Signal::TSTP | Signal::TTIN | Signal::TTOU => Alone::Stop,
        _ => Alone::Nothing,
    }
}

#[cfg(test)]
mod tests;
