//! One watch, from its start to its end: the one loop.
//!
//! The caller says what to watch and when to stop, and is told what is seen; it prints, and chooses exit statuses.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use sandprint_record::audit::{LogReader, Unseen};
use sandprint_record::ebpf::{Missed, RecorderError, Watcher};
use sandprint_record::host::HostFacts;
use sandprint_record::target::Target;
use sandprint_sandbox::foreground::{Foreground, ForegroundError};
use sandprint_sandbox::poll;

use super::attribution::Attribution;
use super::logged::{self, Logged};
use super::{News, Totals, Watch};

/// How often counts are looked at again: repetitions wake nobody.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long the audit log must have been silent at the end, once the kernel has handed everything on.
const STRAGGLERS: Duration = Duration::from_millis(50);

/// How long the kernel has for that.
const HANDING_ON: Duration = Duration::from_secs(5);

/// When to stop, beside a signal and the end of watched processes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// After this time.
    pub duration: Option<Duration>,
    /// Once a cgroup that was in use has no processes any more; else its next use is watched too.
    pub until_empty: bool,
}

/// Who is told. An error ends the watch.
pub trait Observer {
    /// Why it could not be told.
    type Error;

    /// Calls that run and are logged cannot be seen here.
    fn unseen(&mut self, unseen: &Unseen) -> Result<(), Self::Error>;
    /// Something is new of calls that did not run.
    fn news(&mut self, news: &News) -> Result<(), Self::Error>;
    /// Something is new of calls that ran and were logged.
    fn logged(&mut self, item: &logged::Item) -> Result<(), Self::Error>;
    /// Something was missed, so often by now.
    fn missed(&mut self, missed: &Missed) -> Result<(), Self::Error>;
    /// The watch has ended: what it all came to, how many logged calls there were, and all that was missed.
    fn ended(&mut self, totals: Totals, logged: u64, missed: &[Missed]) -> Result<(), Self::Error>;
    /// What becomes readable when nobody reads any more what is told.
    fn reader(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A watch failed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError<E> {
    /// Calls could not be watched.
    #[error("watch refused calls")]
    Watcher(#[source] RecorderError),
    /// Signals could not be taken.
    #[error("take signals")]
    Foreground(#[source] ForegroundError),
    /// Audit records could not be read.
    #[error("read audit records")]
    Log(#[source] io::Error),
    /// Waiting for events failed.
    #[error("wait for events")]
    Wait(#[source] io::Error),
    /// The observer could not be told.
    #[error("tell what was seen")]
    Observer(E),
    /// Nobody reads any more what is told.
    #[error("tell what was seen: nobody reads it")]
    Unread,
}

impl<E> From<RecorderError> for WatchError<E> {
    fn from(error: RecorderError) -> WatchError<E> {
        WatchError::Watcher(error)
    }
}

/// A watch that has begun.
#[derive(Debug)]
pub struct Session<O> {
    watcher: Watcher,
    wakes: OwnedFd,
    log: Option<LogReader>,
    watch: Watch,
    logged: Logged,
    attribution: Attribution,
    observer: O,
    missed: Vec<Missed>,
}

impl<O: Observer> Session<O> {
    /// Begins: calls are seen from here on.
    pub fn begin(target: &Target, mut observer: O) -> Result<Session<O>, WatchError<O::Error>> {
        let attribution = Attribution::new(target);
        let watcher = Watcher::start(target, &HostFacts::probe())?;
        let wakes = watcher.fd()?;
        let log = match LogReader::open() {
            Ok(log) => Some(log),
            Err(unseen) => {
                observer.unseen(&unseen).map_err(WatchError::Observer)?;
                None
            }
        };
        let (watch, logged, missed) = (Watch::default(), Logged::default(), Vec::new());
        Ok(Session { watcher, wakes, log, watch, logged, attribution, observer, missed })
    }

    /// Watches until a signal asks for the end, the time is over, or what is watched has ended.
    pub fn watch(&mut self, foreground: &mut Foreground, plan: &Plan) -> Result<(), WatchError<O::Error>> {
        let end = plan.duration.map(|duration| Instant::now() + duration);
        loop {
            let is_told_to_end =
                foreground.attend(None, |_| false).map_err(WatchError::Foreground)?.is_some();
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            // Before the last look, so that what the processes did until then is seen.
            let is_over = is_told_to_end
                || left.is_some_and(|left| left.is_zero())
                || self.watcher.is_over()?
                || (plan.until_empty && self.watcher.is_empty()?);
            self.look()?;
            if is_over {
                return self.finish();
            }
            let timeout = left.map_or(LOOK_AGAIN, |left| left.min(LOOK_AGAIN));
            // A descriptor that there is none of is stood for by the one of our signals.
            let signals = foreground.as_fd();
            let log = self.log.as_ref().map_or(signals, |log| log.as_fd());
            let reader = self.observer.reader();
            let descriptors = [signals, self.wakes.as_fd(), log, reader.unwrap_or(signals)];
            let [_, _, _, ready] = poll::readable(descriptors, Some(timeout)).map_err(WatchError::Wait)?;
            if reader.is_some() && ready {
                return Err(WatchError::Unread);
            }
        }
    }

    /// How much there was so far.
    pub fn totals(&self) -> Totals {
        self.watch.totals()
    }

    /// Tells what is new.
    fn look(&mut self) -> Result<(), WatchError<O::Error>> {
        self.attribution.look();
        for refused in self.watcher.news()? {
            self.attribution.shows(refused.host_tgid);
            for news in self.watch.take(refused, |id| self.watcher.filter(id)) {
                self.observer.news(&news).map_err(WatchError::Observer)?;
            }
        }
        self.read_log()?;
        self.tell_missed()
    }

    fn read_log(&mut self) -> Result<(), WatchError<O::Error>> {
        let Some(log) = &mut self.log else { return Ok(()) };
        for record in log.records().map_err(WatchError::Log)? {
            if self.attribution.holds(record.pid, |tgid| self.watcher.holds(tgid))? {
                self.logged.add(record);
            }
        }
        for item in self.logged.news() {
            self.observer.logged(&item).map_err(WatchError::Observer)?;
        }
        Ok(())
    }

    /// Tells what was missed since it was last told.
    fn tell_missed(&mut self) -> Result<(), WatchError<O::Error>> {
        let mut missed = self.watcher.missed()?;
        missed.extend(self.attribution.missed());
        let not_refused = self.watch.totals().not_refused;
        if not_refused > 0 {
            missed.push(Missed {
                what: "calls that seemed not to run, though no filter refuses them: they are not told"
                    .to_owned(),
                count: not_refused,
            });
        }
        for item in &missed {
            if !self.missed.contains(item) {
                self.observer.missed(item).map_err(WatchError::Observer)?;
            }
        }
        self.missed = missed;
        Ok(())
    }

    /// Reads what the kernel hands on later than the calls were made: all of it, unless that takes too long.
    fn await_log(&mut self) -> Result<(), WatchError<O::Error>> {
        let end = Instant::now() + HANDING_ON;
        while let Some(log) = &self.log {
            // Before the silence: the last of them may be on its way when the kernel counts it no more.
            let pending = log.pending();
            let [has_more] = poll::readable([log.as_fd()], Some(STRAGGLERS)).map_err(WatchError::Wait)?;
            let is_late = Instant::now() >= end;
            if has_more {
                self.read_log()?;
            }
            if pending > 0 && is_late {
                let what = "audit records that the kernel had not handed on yet, perhaps of logged calls";
                let missed = Missed { what: what.to_owned(), count: pending.into() };
                self.observer.missed(&missed).map_err(WatchError::Observer)?;
                self.missed.push(missed);
            }
            if is_late || (pending == 0 && !has_more) {
                break;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), WatchError<O::Error>> {
        self.await_log()?;
        let of_log = self.log.as_ref().map(LogReader::missed).unwrap_or_default();
        for item in &of_log {
            self.observer.missed(item).map_err(WatchError::Observer)?;
        }
        self.missed.extend(of_log);
        let totals = self.watch.totals();
        self.observer.ended(totals, self.logged.count(), &self.missed).map_err(WatchError::Observer)
    }
}
