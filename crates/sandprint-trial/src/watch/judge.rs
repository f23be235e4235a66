//! What really happened to a call that did not run: its filters are run on it again, and say who decided.

use sandprint_model::Action;
use sandprint_model::errno::ENOSYS;
use sandprint_policy::cbpf::{Program, SeccompData, returned_action, simulate};
use sandprint_policy::enforce;
use sandprint_record::refused::{FilterId, Outcome, Refused};

/// What happened to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// It.
    pub verdict: Verdict,
    /// The filter whose word it was, where the filters could be read.
    pub filter: Option<FilterId>,
    /// Why that is not certain, in a sentence's words.
    pub doubt: Option<&'static str>,
}

/// See [`Judgement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was refused.
    Denied {
        /// What its filters said of it; where that is not known, the action that would have done the same.
        action: Action,
        /// Who refused it.
        by: By,
    },
    /// Somebody did in its place what it was to do, or something else.
    Emulated {
        /// Who.
        by: By,
    },
    /// sandprint's own probe, by which a process that `sandprint run` confines makes sure of its filter.
    Probe,
    /// A signal came while a supervisor was asked: the kernel makes the call again, or ends it with EINTR.
    BrokenOff,
    /// Its filters let it run, and nobody was there to answer in its place.
    NotRefused,
}

/// Who answered a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A filter by itself; also where it wanted somebody to be asked, and there was nobody.
    Filter,
    /// The holder of the filter's listener (`seccomp_unotify(2)`).
    Supervisor,
    /// Who traced the thread (ptrace(2)).
    Tracer,
}

impl By {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            By::Filter => "filter",
            By::Supervisor => "supervisor",
            By::Tracer => "tracer",
        }
    }
}

/// Nothing of the filters is known.
const UNREAD: &str = "its filters could not be read; this is judged by what came of it";
/// Some are known.
const PARTLY: &str = "not all of its filters could be read; this is judged by what came of it";
/// All are known, and something else happened.
const OTHERWISE: &str = "its filters, as they were read, say otherwise; this is judged by what came of it";
/// Of what is neither certain to be the filter's answer nor to be somebody else's.
const EITHER: &str = "its filters could not be read; a supervisor or tracer was there, and may have answered";
const TRACED_TOO: &str = "a tracer was there too, and may have answered";
const TRACER_SILENT: &str =
    "ENOSYS is also what the kernel says where the tracer has not asked to be told (PTRACE_O_TRACESECCOMP)";
const LISTENER_ELSEWHERE: &str =
    "ENOSYS is also what the kernel says where the filter that asked is not the one with the supervisor";
const SUPERVISOR_GONE: &str = "the supervisor who must have answered is gone";
const GONE: &str = "its filters were gone when it had ended; this is judged by what came of it";
const NUMBER_GONE: &str =
    "its tracer replaced the number of the call, so that what its filters said is not known";
const TRACER_GONE: &str = "the tracer who must have answered is gone";

/// Says what happened. `filters` are those that [`Refused::filters`] names, in their order, as far as they can be read.
pub fn judge(refused: &Refused, filters: &[Option<&Program>]) -> Judgement {
    let (value, at) = run(filters, &data(refused));
    let said = returned_action(value);
    let filter = at.and_then(|at| refused.filters.get(at)).copied();
    let complete = filters.iter().all(Option::is_some) && !refused.more_filters;
    let (verdict, doubt) = match refused.outcome {
        Outcome::Returned(value) => returned(refused, said, value, complete, filters),
        Outcome::Trapped | Outcome::KilledThread | Outcome::KilledProcess => {
            ended(refused, said, complete, filters)
        }
    };
    // What was judged without a filter's word was not decided by that filter, as far as we know.
    let by_its_word = matches!(verdict, Verdict::Denied { action, .. } if action == said);
    Judgement { verdict, filter: filter.filter(|_| by_its_word), doubt }
}

fn data(refused: &Refused) -> SeccompData {
    SeccompData { instruction_pointer: refused.instruction_pointer, ..SeccompData::from(&refused.call) }
}

/// What all filters together return, and which of them said so: the least permissive, of equals the newest, which
/// comes first (`seccomp_run_filters`, kernel/seccomp.c). Actions are compared as signed numbers, so that the one which
/// kills the process is the least.
fn run(filters: &[Option<&Program>], data: &SeccompData) -> (u32, Option<usize>) {
    let action = |value: u32| (value & 0xffff_0000).cast_signed();
    let mut decided = (0x7fff_0000, None);
    for (at, program) in filters.iter().enumerate() {
        let Some(program) = program else { continue };
        let value = simulate(program, data);
        if action(value) < action(decided.0) {
            decided = (value, Some(at));
        }
    }
    decided
}

type Judged = (Verdict, Option<&'static str>);

/// Of a call that returned `value`.
fn returned(
    refused: &Refused,
    said: Action,
    value: i64,
    complete: bool,
    filters: &[Option<&Program>],
) -> Judged {
    let Refused { traced, supervised, .. } = *refused;
    let certain = |verdict| (verdict, None);
    let no_call = value == -i64::from(ENOSYS);
    if traced && refused.call.syscall.nr == u32::MAX {
        // A tracer makes it -1 to have no call made, and its filters decided before that.
        return match errno(value) {
            Some(number) => {
                (Verdict::Denied { action: Action::Errno(number), by: By::Tracer }, Some(NUMBER_GONE))
            }
            None => certain(Verdict::Emulated { by: By::Tracer }),
        };
    }
    let answered = |by| {
        if errno(value).is_some() { Verdict::Denied { action: said, by } } else { Verdict::Emulated { by } }
    };
    match said {
        Action::Errno(number) if value == -i64::from(number) => {
            if enforce::is_probe(refused.call.syscall, said) {
                return certain(Verdict::Probe);
            }
            certain(Verdict::Denied { action: said, by: By::Filter })
        }
        Action::Notify if is_restart(value) => certain(Verdict::BrokenOff),
        Action::Notify if supervised => {
            let doubt = match (no_call && refused.filters.len() > 1, traced) {
                (true, _) => Some(LISTENER_ELSEWHERE),
                (false, true) => Some(TRACED_TOO),
                (false, false) => None,
            };
            (answered(By::Supervisor), doubt)
        }
        Action::Notify if no_call => {
            (Verdict::Denied { action: said, by: By::Filter }, traced.then_some(TRACED_TOO))
        }
        Action::Notify if !traced => (answered(By::Supervisor), Some(SUPERVISOR_GONE)),
        Action::Trace(_) if traced => (answered(By::Tracer), no_call.then_some(TRACER_SILENT)),
        Action::Trace(_) if no_call => certain(Verdict::Denied { action: said, by: By::Filter }),
        Action::Trace(_) => (answered(By::Tracer), Some(TRACER_GONE)),
        // A tracer comes before the filters (PTRACE_SYSEMU), and need not leave anything to them.
        _ if traced && complete => certain(Verdict::Emulated { by: By::Tracer }),
        Action::Allow | Action::Log if complete => certain(Verdict::NotRefused),
        _ => by_outcome(refused, doubt(complete, filters)),
    }
}

/// Of a call whose thread was sent SIGSYS, or ended.
fn ended(refused: &Refused, said: Action, complete: bool, filters: &[Option<&Program>]) -> Judged {
    if refused.outcome == Outcome::KilledThread && refused.filters.is_empty() {
        // A thread gives up its filters before its end is seen (since Linux 6.11), and nothing else ends one like this.
        return (Verdict::Denied { action: Action::KillThread, by: By::Filter }, None);
    }
    match said {
        // They show alike: the signal of a trap that nobody handles ends the process, and so does KILL_THREAD of its
        // last thread.
        Action::Trap | Action::KillThread | Action::KillProcess => {
            (Verdict::Denied { action: said, by: By::Filter }, None)
        }
        // A thread's filters go before it does (`seccomp_filter_release` in `do_exit`, Linux 6.11). Nothing else ends a thread alone with SIGSYS.
        _ if refused.outcome == Outcome::KilledThread && complete && filters.is_empty() => {
            (Verdict::Denied { action: Action::KillThread, by: By::Filter }, None)
        }
        _ if refused.outcome == Outcome::KilledProcess && complete && filters.is_empty() => {
            by_outcome(refused, GONE)
        }
        // SIGSYS has other senders: syscall user dispatch, and kill(2).
        Action::Allow | Action::Log if complete => (Verdict::NotRefused, None),
        _ => by_outcome(refused, doubt(complete, filters)),
    }
}

fn doubt(complete: bool, filters: &[Option<&Program>]) -> &'static str {
    if complete {
        OTHERWISE
    } else if filters.iter().any(Option::is_some) {
        PARTLY
    } else {
        UNREAD
    }
}

/// What can be said without the filters.
fn by_outcome(refused: &Refused, doubt: &'static str) -> Judged {
    let Refused { traced, supervised, .. } = *refused;
    let denied = |action| Verdict::Denied { action, by: By::Filter };
    let value = match refused.outcome {
        Outcome::Trapped => return (denied(Action::Trap), Some(doubt)),
        Outcome::KilledThread => return (denied(Action::KillThread), Some(doubt)),
        Outcome::KilledProcess => return (denied(Action::KillProcess), Some(doubt)),
        Outcome::Returned(value) => value,
    };
    let somebody = match (supervised, traced) {
        (true, _) => Some(By::Supervisor),
        (false, true) => Some(By::Tracer),
        (false, false) => None,
    };
    match (errno(value), somebody) {
        (Some(number), _) if enforce::is_probe(refused.call.syscall, Action::Errno(number)) => {
            (Verdict::Probe, Some(doubt))
        }
        (Some(_), Some(By::Supervisor)) if is_restart(value) => (Verdict::BrokenOff, Some(doubt)),
        (Some(number), Some(_)) => (denied(Action::Errno(number)), Some(EITHER)),
        (Some(number), None) => (denied(Action::Errno(number)), Some(doubt)),
        (None, Some(by)) => (Verdict::Emulated { by }, Some(EITHER)),
        // A filter may refuse with errno 0, which the program takes for success.
        (None, None) if value == 0 => (denied(Action::Errno(0)), Some(doubt)),
        (None, None) => (Verdict::NotRefused, Some(doubt)),
    }
}

/// The errno that a returned value is (`MAX_ERRNO`, linux/err.h).
fn errno(value: i64) -> Option<u16> {
    (-4095..0).contains(&value).then(|| u16::try_from(-value).ok()).flatten()
}

/// Whether the kernel means to make the call again: ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND and
/// `ERESTART_RESTARTBLOCK` (linux/errno.h).
fn is_restart(value: i64) -> bool {
    matches!(value, -514..=-512 | -516)
}

#[cfg(test)]
mod tests;
