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

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::launch::Running;
use crate::process::{self, ProcessError};
use crate::signals::{Event, Sender, Signal, Signals, SignalsError, sys::stop_self};

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
    /// A stop was asked of us, and the workload has not stopped yet.
    stop_asked: bool,
}

impl Foreground {
    /// Takes the signals of this process.
    pub fn install() -> Result<Foreground, ForegroundError> {
        let signals = Signals::install().map_err(ForegroundError::Signals)?;
        Ok(Foreground { signals, stop_asked: false })
    }

    /// Does what the signals that came ask for, without waiting (other than being stopped).
    ///
    /// Returns a signal that asks this process to end what it does, if one came: SIGINT, SIGQUIT, SIGTERM or
    /// SIGHUP, once the first process of the workload has ended, or where there is none (`None`).
    ///
    /// `in_tree` says whether a process belongs to the workload; [`process::descends`] is an answer.
    pub fn attend(
        &mut self,
        mut workload: Option<&mut Running>,
        in_tree: impl Fn(u32) -> bool,
    ) -> Result<Option<Signal>, ForegroundError> {
        loop {
            let mut look = false;
            while let Some(event) = self.signals.next().map_err(ForegroundError::Signals)? {
                match living(&mut workload)? {
                    Some(running) => {
                        let from_tree = matches!(
                            event.sender,
                            Sender::Process(pid) if pid == running.pid() || in_tree(pid)
                        );
                        look |= self.serve(event, from_tree, running)?;
                    }
                    None => match without_workload(event) {
                        Alone::Nothing => {}
                        Alone::Stop => stop(event.signal)?,
                        Alone::End => return Ok(Some(event.signal)),
                    },
                }
            }
            // Only now that all is read: when we are continued after a stop, an old SIGCHLD comes before the
            // SIGCONT, and would make us stop again for a workload that nobody had time to continue.
            match living(&mut workload)? {
                Some(running) if look => {
                    let Some(signal) = stopped(running)? else { return Ok(None) };
                    self.stop_together(running, signal)?;
                }
                _ => return Ok(None),
            }
        }
    }

    /// Stops as the workload is stopped. The SIGCONT that ends this is still to be served.
    fn stop_together(&mut self, running: &Running, signal: Signal) -> Result<(), ForegroundError> {
        let us = std::process::id();
        // A shell in a group of its own has taken the terminal, and stops with it (`suspend` of bash). In our
        // place it would get it back from `fg`; now that is us.
        let its_group = process::group(running.pid()).filter(|&group| {
            process::foreground_group(us) == Some(group) && process::group(us) != Some(group)
        });
        stop_with(signal, self.stop_asked).map_err(|source| ForegroundError::Stop { source })?;
        self.stop_asked = false;
        if let Some(group) = its_group
            && process::foreground_group(us) == process::group(us)
        {
            // It fails if the group is gone, and then nobody wants it.
            process::sys::give_terminal(group).unwrap_or_default();
        }
        Ok(())
    }

    /// Does what an event asks for while the first process lives; whether to look if that is stopped.
    fn serve(&mut self, event: Event, from_tree: bool, running: &Running) -> Result<bool, ForegroundError> {
        let duty = with_workload(event, from_tree);
        if duty.hand_on {
            send(running, event.signal)?;
        }
        if duty.continue_it {
            self.stop_asked = false;
            // Who continued our group has continued it too, unless it is in a group of its own.
            if stopped(running)?.is_some() {
                send(running, Signal::CONT)?;
            }
        }
        self.stop_asked |= duty.stop_is_asked;
        Ok(duty.look)
    }
}

impl AsFd for Foreground {
    /// Readable when [`Foreground::attend`] has something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}

/// The workload, if its first process lives.
fn living<'a>(workload: &'a mut Option<&mut Running>) -> Result<Option<&'a mut Running>, ForegroundError> {
    let Some(running) = workload.as_deref_mut() else { return Ok(None) };
    let ended = running.try_wait().map_err(ForegroundError::Process)?.is_some();
    Ok((!ended).then_some(running))
}

fn send(running: &Running, signal: Signal) -> Result<bool, ForegroundError> {
    running.signal(signal).map_err(ForegroundError::Process)
}

fn stopped(running: &Running) -> Result<Option<Signal>, ForegroundError> {
    running.stopped().map_err(ForegroundError::Process)
}

fn stop(signal: Signal) -> Result<(), ForegroundError> {
    stop_self(signal).map_err(|source| ForegroundError::Stop { source })
}

/// What an event asks for while the first process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent duties, each named")]
struct Duty {
    /// Send the same signal to the workload.
    hand_on: bool,
    /// Continue the workload if it is stopped.
    continue_it: bool,
    /// Stop when the workload does, whatever stops it.
    stop_is_asked: bool,
    /// Look whether the workload is stopped.
    look: bool,
}

fn with_workload(event: Event, from_tree: bool) -> Duty {
    let to_us = matches!(event.sender, Sender::Process(_)) && !from_tree;
    match event.signal {
        Signal::CHLD => Duty { look: true, ..Duty::default() },
        Signal::CONT => Duty { continue_it: !from_tree, ..Duty::default() },
        // Should the workload have got it too, the second is forgotten when it is continued.
        Signal::TSTP | Signal::TTIN | Signal::TTOU => {
            Duty { hand_on: to_us, stop_is_asked: true, look: true, ..Duty::default() }
        }
        // An alarm(2) that was set before us, for the program in whose place we are.
        Signal::ALRM => Duty { hand_on: to_us || event.sender == Sender::Kernel, ..Duty::default() },
        _ => Duty { hand_on: to_us, ..Duty::default() },
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

/// Stops this process, given the signal that stopped the workload, where somebody will see it and continue
/// us: a stop of the terminal's kind has a shell behind it (otherwise the kernel refuses it: orphaned
/// process groups, setpgid(2)). Any other stop may be between the workload and somebody who knows nothing of
/// us: then we stop only as a shell's own job, or if a stop was asked of us (`asked`).
pub(crate) fn stop_with(signal: Signal, asked: bool) -> io::Result<()> {
    match signal {
        Signal::TSTP | Signal::TTIN | Signal::TTOU => stop_self(signal),
        _ if asked || process::is_job() => stop_self(Signal::TSTP),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: Sender = Sender::Kernel;
    const SOMEBODY: Sender = Sender::Process(1);

    #[test]
    fn while_the_first_process_lives_signals_are_its_own() {
        let nothing = Duty::default();
        let hand_on = Duty { hand_on: true, ..nothing };
        let asked = Duty { stop_is_asked: true, look: true, ..nothing };
        let cases = [
            // What the terminal sends, the workload has too.
            (Signal::INT, KERNEL, false, nothing),
            (Signal::QUIT, KERNEL, false, nothing),
            (Signal::HUP, KERNEL, false, nothing),
            (Signal::WINCH, KERNEL, false, nothing),
            (Signal::TSTP, KERNEL, false, asked),
            (Signal::TTIN, KERNEL, false, asked),
            (Signal::TTOU, KERNEL, false, asked),
            // What somebody sends to us is for it.
            (Signal::INT, SOMEBODY, false, hand_on),
            (Signal::QUIT, SOMEBODY, false, hand_on),
            (Signal::HUP, SOMEBODY, false, hand_on),
            (Signal::TERM, SOMEBODY, false, hand_on),
            (Signal::USR1, SOMEBODY, false, hand_on),
            (Signal::USR2, SOMEBODY, false, hand_on),
            (Signal::ABRT, SOMEBODY, false, hand_on),
            (Signal::WINCH, SOMEBODY, false, hand_on),
            (Signal::TSTP, SOMEBODY, false, Duty { hand_on: true, ..asked }),
            // What it sends itself, it has.
            (Signal::INT, SOMEBODY, true, nothing),
            (Signal::TERM, SOMEBODY, true, nothing),
            (Signal::TSTP, SOMEBODY, true, asked),
            (Signal::CONT, SOMEBODY, true, nothing),
            // Timers and children.
            (Signal::ALRM, KERNEL, false, hand_on),
            (Signal::ALRM, SOMEBODY, false, hand_on),
            (Signal::ALRM, SOMEBODY, true, nothing),
            (Signal::CHLD, KERNEL, false, Duty { look: true, ..nothing }),
            (Signal::CONT, SOMEBODY, false, Duty { continue_it: true, ..nothing }),
            (Signal::CONT, KERNEL, false, Duty { continue_it: true, ..nothing }),
        ];
        for (signal, sender, from_tree, expected) in cases {
            let event = Event { signal, sender };
            assert_eq!(with_workload(event, from_tree), expected, "{event:?}, from the tree: {from_tree}");
        }
    }

    #[test]
    fn without_a_first_process_signals_are_ours() {
        let cases = [
            (Signal::INT, Alone::End),
            (Signal::QUIT, Alone::End),
            (Signal::TERM, Alone::End),
            (Signal::HUP, Alone::End),
            (Signal::TSTP, Alone::Stop),
            (Signal::TTIN, Alone::Stop),
            (Signal::TTOU, Alone::Stop),
            (Signal::CHLD, Alone::Nothing),
            (Signal::CONT, Alone::Nothing),
            (Signal::USR1, Alone::Nothing),
            (Signal::WINCH, Alone::Nothing),
        ];
        for (signal, expected) in cases {
            for sender in [KERNEL, SOMEBODY] {
                assert_eq!(without_workload(Event { signal, sender }), expected, "{signal}");
            }
        }
    }
}
