//! One recording, from its start to its trace: the one event loop.
//!
//! The caller says what to record and when to stop, and is told how it goes; it prints, writes files and
//! chooses exit statuses.

pub(crate) mod errand;
pub(crate) mod error;

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sandprint_model::{ByteString, Exit, Gap, GapKind, Run, RunId, Trace};
use sandprint_sandbox::deadline::{self, Deadline, Step};
use sandprint_sandbox::foreground::Foreground;
use sandprint_sandbox::launch::{Launch, Running, Suspended};
use sandprint_sandbox::notify::Reported;
use sandprint_sandbox::process;
use sandprint_sandbox::signals::Signal;

use crate::driver::{Driver, Prepared};
use crate::ebpf::{Options, Recorder};
use crate::host::{self, CgroupUse, HostFacts};
use crate::reader::Reader;
use crate::target::Target;

pub use crate::driver::{Choice, FellBack};
pub use errand::{Errand, Stage};
pub use error::SessionError;

pub use sandprint_sandbox::deadline::GRACE;

/// How often the number of followed tasks is looked at where no descriptor tells of the end.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The same, while what a signal has reached may be about to end.
const LOOK_SOON: Duration = Duration::from_millis(20);
/// How long what a signal to us has reached as well has to end of it, before it counts as left running.
const SETTLE: Duration = Duration::from_secs(1);
/// How long after the first process others may go on before the user is told.
const TELL_AFTER: Duration = Duration::from_millis(300);

/// What to call the run, and when to stop.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The user's name for the run.
    pub name: Option<String>,
    /// The command as it was given; empty for a running target.
    pub command: Vec<ByteString>,
    /// Stop with the first process instead of the last.
    pub until_main: bool,
    /// Stop as well once a cgroup that was in use has no processes any more; else its next use is recorded too.
    pub until_empty: bool,
    /// End the tree after this time.
    pub timeout: Option<Duration>,
    /// Stop recording after this time, and leave the target running.
    pub duration: Option<Duration>,
    /// How often to hand out a checkpoint.
    pub checkpoint_every: Option<Duration>,
    /// How often to report progress.
    pub progress_every: Option<Duration>,
}

/// How a recording goes, while it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Since it began.
    pub elapsed: Duration,
    /// Calls so far, roughly.
    pub calls: u64,
    /// Distinct calls so far.
    pub distinct: usize,
    /// Since a program last made a call that it had not made before; `None` before the first.
    pub since_new: Option<Duration>,
    /// Tasks that are followed now.
    pub live: u64,
}

/// Who is told.
pub trait Observer {
    /// What runs already is recorded from now on.
    fn attached(&mut self) {}
    /// It is time to report progress.
    fn progress(&mut self, progress: Progress);
    /// It is time to put what is known so far into safety; it carries the gap of an unfinished recording.
    fn checkpoint(&mut self, trace: Trace);
    /// The recorder by eBPF could not be had, and another takes its place.
    fn fell_back(&mut self, why: &FellBack);
    /// The first process ended, and others of its tree go on; Ctrl-C now ends the recording.
    fn waiting_for_tree(&mut self, live: u64);
    /// Nothing runs in the cgroup any more; what comes into it, or into the next of its path, is recorded again.
    fn waiting_for_next(&mut self);
    /// The time is up, and these processes have not ended though they were killed, each with the reason.
    fn waiting_for_survivors(&mut self, survivors: &[String]);
}

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The last followed task ended.
    TreeEnded,
    /// The first process ended, and that was enough.
    MainEnded,
    /// The time was up, and the tree was ended.
    TimedOut,
    /// The time was up, and the target was left running.
    DurationOver,
    /// A signal asked for it.
    Interrupted(Signal),
    /// What was to be done with the target failed; [`Recorded::failed`] says why.
    ErrandFailed,
}

/// What a recording brought.
#[derive(Debug)]
pub struct Recorded {
    /// What was observed.
    pub trace: Trace,
    /// How the first process ended, where it was ours and did.
    pub exit: Option<Exit>,
    /// Why it ended.
    pub why: Why,
    /// Processes that SIGKILL did not end after the time was up, each with the reason.
    pub survivors: Vec<String>,
    /// Why the [`Errand`] failed, where it did.
    pub failed: Option<String>,
}

/// Records a command and its tree. `foreground` was installed before any thread was started.
pub fn record_command(
    launch: &Launch,
    choice: Choice,
    options: &Options,
    plan: &Plan,
    foreground: &mut Foreground,
    observer: &mut dyn Observer,
) -> Result<Recorded, SessionError> {
    let facts = HostFacts::probe();
    // Before there are BPF programs and threads, none of which it is to have.
    let mut reader = Some(Reader::start());
    let (prepared, not_ebpf) = Prepared::choose(choice, options, &facts)?;
    if prepared.needs_proc() && !host::has_own_proc() {
        return Err(SessionError::NoProc);
    }
    let mut ready = |prepared: Prepared| {
        let notified = prepared.wants_notifications().then_some(Reported::Every);
        let mut suspended = Launch { notified, ..launch.clone() }.suspend()?;
        let driver = prepared.expect(&mut suspended, options, &facts, &mut reader);
        let driver = driver.map_err(|error| match suspended.ended() {
            Some(ended) => ended.into(),
            None => error,
        })?;
        Ok::<_, SessionError>((suspended, driver))
    };
    let (begun, not_ptrace) = match ready(prepared) {
        // Only trying tells whether tracing is allowed; nothing has been executed yet.
        Err(SessionError::Tracer(error)) if not_ebpf.is_some() => (ready(Prepared::Notify), Some(error)),
        begun => (begun, None),
    };
    let (suspended, driver) = begun?;
    if let Some(not_ebpf) = not_ebpf {
        observer.fell_back(&FellBack { not_ebpf, not_ptrace });
    }
    let mut session = Session::begin(driver, plan, &facts)?;
    session.release(suspended, foreground)?;
    session.watch(foreground, observer, &mut ())
}

/// Records what runs already, or is made to run by an errand: by eBPF, since a filter is only ever put on by the process
/// itself.
pub fn record_running(
    options: &Options,
    plan: &Plan,
    foreground: &mut Foreground,
    observer: &mut dyn Observer,
    errand: &mut dyn Errand,
) -> Result<Recorded, SessionError> {
    let facts = HostFacts::probe();
    let reader = Reader::start();
    let mut recorder = Recorder::load(options, &facts)?;
    recorder.read_by(reader);
    recorder.attach()?;
    observer.attached();
    let session = Session::begin(Driver::Ebpf(Box::new(recorder)), plan, &facts)?;
    session.watch(foreground, observer, errand)
}

struct Session<'a> {
    driver: Driver,
    plan: &'a Plan,
    id: RunId,
    run: Run,
    began: Instant,
    began_ns: u64,
    first: Option<Running>,
    first_exit: Option<Exit>,
    tell_of_tree: Option<Instant>,
    /// Whether the observer knows that nothing runs in the target's cgroup now.
    told_empty: bool,
    deadline: Option<Deadline>,
    /// Processes that SIGKILL did not end, each with the reason.
    survivors: Vec<String>,
    /// A signal asked us to stop; until then, others that it reached may end of it.
    interrupted: Option<(Signal, Instant)>,
    next_checkpoint: Option<Instant>,
    next_progress: Option<Instant>,
    /// Why it ends, once it is to, while what the errand does at the end is still recorded.
    ending: Option<Why>,
    /// Why the errand failed.
    failed: Option<String>,
}

impl<'a> Session<'a> {
    fn begin(driver: Driver, plan: &'a Plan, facts: &HostFacts) -> Result<Session<'a>, SessionError> {
        let began = Instant::now();
        let target = driver.target();
        let started = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let run = Run {
            duration_ms: None,
            exit: None,
            name: plan.name.clone(),
            command: plan.command.clone(),
            target: (*target != Target::Command).then(|| target.describe()),
            recorder: driver.kind(),
            started_unix_ms: started.and_then(|since| u64::try_from(since.as_millis()).ok()),
            host: facts.for_trace(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            facts: driver.facts(),
            peaks: std::collections::BTreeMap::new(),
        };
        Ok(Session {
            driver,
            plan,
            id: host::fresh_run_id().map_err(SessionError::Wait)?,
            run,
            began,
            began_ns: host::monotonic_ns(),
            first: None,
            first_exit: None,
            tell_of_tree: None,
            told_empty: false,
            deadline: plan.timeout.map(Deadline::after),
            survivors: Vec::new(),
            interrupted: None,
            next_checkpoint: plan.checkpoint_every.map(|every| began + every),
            next_progress: plan.progress_every.map(|every| began + every),
            ending: None,
            failed: None,
        })
    }

    fn release(&mut self, suspended: Suspended, foreground: &mut Foreground) -> Result<(), SessionError> {
        let running = foreground.release(suspended)?;
        self.first = Some(running);
        let Some(launched) = self.driver.launched_ns()? else {
            // It must not run on unrecorded as if all were well.
            if let Some(running) = &self.first {
                running.signal(Signal::KILL)?;
            }
            return Err(SessionError::UnseenLaunch);
        };
        self.began_ns = launched;
        Ok(())
    }

    fn watch(
        mut self,
        foreground: &mut Foreground,
        observer: &mut dyn Observer,
        errand: &mut dyn Errand,
    ) -> Result<Recorded, SessionError> {
        let events = self.driver.events_fd()?;
        let why = loop {
            if let Some(why) = self.next(foreground, observer, errand)? {
                break why;
            }
            let timeout = self.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
            let living = self.first.as_ref().filter(|_| self.first_exit.is_none());
            // Where there is nothing to wait for, the signals stand in its place: the array's length is fixed.
            let under_way = errand.fd();
            let end = living.map(Running::end).or(under_way).unwrap_or(foreground.as_fd());
            let wanted = [events.as_fd(), foreground.as_fd(), end];
            sandprint_sandbox::poll::readable(wanted, timeout).map_err(SessionError::Wait)?;
        };
        self.finish(why)
    }

    /// Does what is due, and has the errand go on; says why to stop, if it is time to.
    fn next(
        &mut self,
        foreground: &mut Foreground,
        observer: &mut dyn Observer,
        errand: &mut dyn Errand,
    ) -> Result<Option<Why>, SessionError> {
        if self.ending.is_some() {
            self.driver.attend()?;
            // Whoever asks once more does not want to wait for it.
            if let Some(signal) = foreground.attend(None, |_| false)? {
                return Ok(Some(Why::Interrupted(signal)));
            }
        } else {
            self.ending = self.step(foreground, observer)?;
            if self.ending.is_some() {
                errand.end();
            }
        }
        match errand.attend() {
            Stage::UnderWay => Ok(None),
            Stage::Done => Ok(self.ending),
            Stage::Failed(why) => {
                self.failed = Some(why);
                Ok(Some(Why::ErrandFailed))
            }
        }
    }

    /// Does what is due; says why to stop, if it is time to.
    fn step(
        &mut self,
        foreground: &mut Foreground,
        observer: &mut dyn Observer,
    ) -> Result<Option<Why>, SessionError> {
        // Whether tasks are left is looked up; events only wake us, and name new images.
        self.driver.attend()?;
        let ours = self.first.as_ref().map_or(0, Running::pid);
        let in_tree = |pid| process::descends(pid, ours);
        if let Some(signal) = foreground.attend(self.first.as_mut(), in_tree)? {
            let is_again = self.interrupted.is_some();
            if is_again || !self.may_end_of_it() {
                return Ok(Some(Why::Interrupted(signal)));
            }
            self.interrupted = Some((signal, Instant::now() + SETTLE));
        }
        if let (Some(first), None) = (&self.first, self.first_exit)
            && let Some(ended) = first.ended()
        {
            self.first_exit = Some(ended.exit);
            self.tell_of_tree = Some(Instant::now() + TELL_AFTER);
        }
        if let Some(why) = self.ended()? {
            return Ok(Some(why));
        }
        if let Some((signal, until)) = self.interrupted
            && (Instant::now() >= until || !self.may_end_of_it())
        {
            return Ok(Some(Why::Interrupted(signal)));
        }
        self.keep_time(observer)
    }

    /// Whether anything that is followed may be about to end of a signal that was sent to us: it is in our process group,
    /// which the terminal or a supervisor may have signalled as a whole. Or nothing lives any more, and the recorder is
    /// about to notice.
    fn may_end_of_it(&self) -> bool {
        let ours = process::living_group(std::process::id());
        let followed = self.driver.processes().unwrap_or_default();
        let groups: Vec<u32> = followed.into_iter().filter_map(process::living_group).collect();
        groups.is_empty() || groups.into_iter().any(|group| ours == Some(group))
    }

    /// Whether the recording has seen its end.
    ///
    /// A process can be waited for only after the exit tracepoint of its last thread, so what is followed
    /// after the first process has ended are others.
    fn ended(&self) -> Result<Option<Why>, SessionError> {
        let timed_out = self.deadline.as_ref().is_some_and(Deadline::is_up);
        let of_tree = if timed_out { Why::TimedOut } else { Why::TreeEnded };
        if self.first.is_some() {
            if self.first_exit.is_none() {
                return Ok(None);
            }
            if self.plan.until_main && !timed_out {
                return Ok(Some(Why::MainEnded));
            }
            return Ok((self.driver.followed()?.live == 0).then_some(of_tree));
        }
        if matches!(self.driver.target(), Target::Cgroup { .. }) && !self.plan.until_empty {
            return Ok(None);
        }
        Ok(self.is_empty()?.then_some(of_tree))
    }

    /// Whether all that was recorded has ended. A cgroup in which nothing ran yet is not empty in this sense.
    fn is_empty(&self) -> Result<bool, SessionError> {
        let followed = self.driver.followed()?;
        if followed.live > 0 {
            return Ok(false);
        }
        let Target::Cgroup { directory, .. } = self.driver.target() else { return Ok(true) };
        // What sleeps in a cgroup has made no call yet and is not followed yet.
        Ok(followed.admitted > 0 && host::cgroup_use(directory) != CgroupUse::Populated)
    }

    /// Reports, checkpoints and ends what is due.
    fn keep_time(&mut self, observer: &mut dyn Observer) -> Result<Option<Why>, SessionError> {
        let now = Instant::now();
        if self.tell_of_tree.is_some_and(|at| now >= at) {
            self.tell_of_tree = None;
            observer.waiting_for_tree(self.driver.followed()?.live);
        }
        if matches!(self.driver.target(), Target::Cgroup { .. }) {
            let is_empty = self.is_empty()?;
            if is_empty && !self.told_empty {
                observer.waiting_for_next();
            }
            self.told_empty = is_empty;
        }
        if let (Some(at), Some(every)) = (self.next_progress, self.plan.progress_every)
            && now >= at
        {
            self.next_progress = Some(now + every);
            observer.progress(self.progress()?);
        }
        if let (Some(at), Some(every)) = (self.next_checkpoint, self.plan.checkpoint_every)
            && now >= at
        {
            self.next_checkpoint = Some(now + every);
            let mut trace = self.trace()?;
            let unfinished = Gap { kind: GapKind::Unfinished, run: self.id, detail: None };
            trace.note_gap(unfinished, 1);
            observer.checkpoint(trace);
        }
        if self.plan.duration.is_some_and(|limit| now >= self.began + limit) {
            return Ok(Some(Why::DurationOver));
        }
        let Some(deadline) = &mut self.deadline else { return Ok(None) };
        match deadline.step(now) {
            Step::Nothing => {}
            Step::Ask => deadline::ask(self.driver.processes()?)?,
            Step::Kill => deadline::kill(self.driver.processes()?)?,
            Step::Tell => {
                let survivors = deadline::survivors(self.driver.processes()?);
                if !survivors.is_empty() {
                    observer.waiting_for_survivors(&survivors);
                }
            }
            Step::GiveUp => {
                self.survivors = deadline::survivors(self.driver.processes()?);
                return Ok(Some(Why::TimedOut));
            }
        }
        Ok(None)
    }

    fn next_deadline(&self) -> Option<Instant> {
        if self.ending.is_some() {
            return Some(Instant::now() + LOOK_AGAIN);
        }
        let ending = self.deadline.as_ref().map(Deadline::next);
        let duration = self.plan.duration.map(|limit| self.began + limit);
        // The event of the last end may not have fitted into the ring buffer.
        let no_child = self.first.is_none() || self.first_exit.is_some();
        let look_again = no_child.then(|| Instant::now() + LOOK_AGAIN);
        let settled = self.interrupted.map(|_since| Instant::now() + LOOK_SOON);
        [ending, duration, look_again, settled, self.next_checkpoint, self.next_progress, self.tell_of_tree]
            .into_iter()
            .flatten()
            .min()
    }

    fn progress(&self) -> Result<Progress, SessionError> {
        let followed = self.driver.followed()?;
        let since_new = (followed.last_new_ns > 0)
            .then(|| Duration::from_nanos(host::monotonic_ns().saturating_sub(followed.last_new_ns)));
        let (calls, distinct) = self.driver.approximate_calls()?;
        Ok(Progress { elapsed: self.began.elapsed(), calls, distinct, since_new, live: followed.live })
    }

    /// What is known now.
    fn trace(&mut self) -> Result<Trace, SessionError> {
        let mut trace = Trace::default();
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).ok();
        let peaks = self.driver.peaks()?;
        let run = Run { duration_ms, exit: self.first_exit, peaks, ..self.run.clone() };
        trace.runs.insert(self.id, run);
        self.driver.collect(&self.id, self.began_ns, &mut trace)?;
        Ok(trace)
    }

    fn finish(mut self, why: Why) -> Result<Recorded, SessionError> {
        self.driver.stop()?;
        // What ended while the recorder was about to leave it has been seen whole.
        let why = match why {
            Why::Interrupted(_) => self.ended()?.unwrap_or(why),
            _ => why,
        };
        let mut trace = self.trace()?;
        if let Some(words) = self.cut_short(why) {
            trace.note_gap(Gap { kind: GapKind::EndedEarly, run: self.id, detail: Some(words) }, 1);
        }
        let Session { first_exit: exit, survivors, failed, .. } = self;
        Ok(Recorded { trace, exit, why, survivors, failed })
    }

    /// What ended the recording before what it recorded, in words, if anything did.
    fn cut_short(&self, why: Why) -> Option<String> {
        let left = |count: u64| if count == 0 { String::new() } else { format!("; {count} left running") };
        match why {
            Why::TreeEnded | Why::MainEnded | Why::DurationOver => None,
            Why::ErrandFailed => self.failed.clone(),
            Why::TimedOut => {
                let limit = self.plan.timeout.unwrap_or_default();
                let survivors = self.survivors.join("; ");
                let survived =
                    if survivors.is_empty() { String::new() } else { format!("; left running: {survivors}") };
                Some(format!("the time of {limit:?} was up{survived}"))
            }
            Why::Interrupted(signal) => {
                let live = self.driver.followed().map_or(0, |followed| followed.live);
                // A cgroup is followed for as long as somebody likes.
                if live == 0 && matches!(self.driver.target(), Target::Cgroup { .. }) {
                    return None;
                }
                Some(format!("{signal}{}", left(live)))
            }
        }
    }
}
