//! Where a watch tells what it sees: the numbers by which kinds of calls are told again, and the form.

use std::collections::BTreeMap;
use std::io::{self, Stdout};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::FileType;
use sandprint_model::{ByteString, Condition, Location, Syscall};
use sandprint_record::audit::Unseen;
use sandprint_record::ebpf::Missed;
use sandprint_trial::watch::judge::Verdict;
use sandprint_trial::watch::session::Observer;
use sandprint_trial::watch::{News, Seen, Totals, attribution, logged};

use super::suggest;
use super::told::Told;
use super::{Format, json, text};
use crate::output::{self, OutputError};
use crate::policy_source::PolicySource;
use crate::target::{Host, Place};

/// Most cgroups whose place is remembered.
const MOST_PLACES: usize = 1024;
/// Most kinds of calls that are told once for several processes.
const MOST_ALIKE: usize = 4096;
/// Most kinds of logged calls whose numbers are remembered: more than can still be repeated.
const MOST_LOGGED: usize = 2 * logged::MOST;

/// See the module.
#[derive(Debug)]
pub(super) struct Teller {
    stdout: Stdout,
    format: Format,
    policy: Option<PolicySource>,
    host: Host,
    places: BTreeMap<ByteString, Place>,
    /// The numbers of refused calls by their id, while their process lives, and how often they were repeated without
    /// that having been told.
    refused: BTreeMap<u64, Known>,
    /// What people are told once though several processes do it, as those of a shell's loop.
    alike: BTreeMap<Alike, Group>,
    /// To which of these an id belongs, while its process lives.
    members: BTreeMap<u64, Alike>,
    /// Kinds of refused calls that people were told.
    kinds: u64,
    /// The same of logged ones.
    logged: BTreeMap<u64, Known>,
    numbers: u64,
    numbers_are_ours: bool,
}

/// What makes calls of several processes alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    image: ByteString,
    cgroup: ByteString,
    syscall: Syscall,
    conditions: Vec<Condition>,
    location: Result<Location, String>,
    answer: String,
}

/// Calls that are alike, told under the number of the first.
#[derive(Debug, Clone, Copy)]
struct Group {
    known: Known,
    processes: u64,
}

/// A kind that was told.
#[derive(Debug, Clone, Copy)]
struct Known {
    number: u64,
    /// Repetitions that people are told at the end.
    more: u64,
    count: u64,
}

impl Teller {
    pub(super) fn new(format: Format, policy: Option<PolicySource>) -> Teller {
        Teller {
            stdout: io::stdout(),
            format,
            policy,
            host: Host::here(),
            places: BTreeMap::new(),
            refused: BTreeMap::new(),
            alike: BTreeMap::new(),
            members: BTreeMap::new(),
            kinds: 0,
            logged: BTreeMap::new(),
            numbers: 0,
            numbers_are_ours: attribution::numbers_are_ours(),
        }
    }

    fn new_kind(&mut self, seen: &Seen) -> Result<(), OutputError> {
        if self.format == Format::Text && self.is_alike(seen)? {
            return Ok(());
        }
        self.numbers += 1;
        let number = self.numbers;
        if seen.refused.ended.is_none() {
            self.refused.insert(seen.refused.id, Known { number, more: 0, count: seen.refused.count });
        }
        let is_denial = matches!(seen.judgement.verdict, Verdict::Denied { .. });
        let policy = self.policy.as_ref().filter(|_| is_denial);
        let suggestion = policy.map(|policy| suggest::suggest(policy, seen));
        let cgroup = &seen.refused.cgroup;
        if self.places.len() >= MOST_PLACES && !self.places.contains_key(cgroup) {
            self.places.clear();
        }
        let host = &self.host;
        let place = self.places.entry(cgroup.clone()).or_insert_with(|| host.place(cgroup));
        let told = Told { number, seen, place, suggestion };
        put(&match self.format {
            Format::Json => json::seen(&told),
            Format::Text => text::seen(&told),
        })
    }

    /// Whether a kind of call is told under the number of another, or else may be from now on.
    pub(super) fn is_alike(&mut self, seen: &Seen) -> Result<bool, OutputError> {
        let refused = &seen.refused;
        let alike = Alike {
            image: refused.image.clone(),
            cgroup: refused.cgroup.clone(),
            syscall: refused.call.syscall,
            conditions: seen.rule.conditions.clone(),
            location: seen.location.clone(),
            answer: format!("{:?} {:?}", seen.judgement.verdict, seen.judgement.doubt),
        };
        if refused.ended.is_none() {
            self.members.insert(refused.id, alike.clone());
        }
        if let Some(group) = self.alike.get_mut(&alike) {
            group.known.more = group.known.more.saturating_add(refused.count);
            group.known.count = group.known.count.saturating_add(refused.count);
            group.processes = group.processes.saturating_add(1);
            return Ok(true);
        }
        while self.alike.len() >= MOST_ALIKE
            && let Some((_, group)) = self.alike.pop_first()
        {
            repetitions(group.known, group.processes)?;
        }
        self.kinds += u64::from(matches!(seen.judgement.verdict, Verdict::Denied { .. }));
        let known = Known { number: self.numbers + 1, more: 0, count: refused.count };
        self.alike.insert(alike, Group { known, processes: 1 });
        Ok(false)
    }

    fn process_ended(&mut self, id: u64, after: Duration) -> Result<(), OutputError> {
        let member = self.members.remove(&id);
        let Some(known) = self.refused.remove(&id) else { return Ok(()) };
        match self.format {
            Format::Json => put(&json::ended(known.number, after)),
            Format::Text => {
                if let Some(group) = member.and_then(|alike| self.alike.get_mut(&alike)) {
                    repetitions(group.known, group.processes)?;
                    group.known.more = 0;
                }
                text::ended(known.number, after).map_or(Ok(()), |line| put(&line))
            }
        }
    }

    fn tell_repetitions(&self, known: Known) -> Result<(), OutputError> {
        match self.format {
            // They were told as they came.
            Format::Json => Ok(()),
            Format::Text => repetitions(known, 1),
        }
    }
}

impl Observer for Teller {
    type Error = OutputError;

    fn unseen(&mut self, Unseen { why, hint }: &Unseen) -> Result<(), OutputError> {
        output::note(&format!("calls that run and are logged will not be seen: {why}"));
        output::talk(&format!("hint: {hint}"));
        match self.format {
            Format::Json => put(&json::missed("calls that run and are logged are not seen", Some(why), None)),
            // People were told on stderr.
            Format::Text => Ok(()),
        }
    }

    fn news(&mut self, news: &News) -> Result<(), OutputError> {
        match news {
            News::New(seen) => self.new_kind(seen),
            News::Repeated { id, more, count, last } => {
                if let Some(group) = self.members.get(id).and_then(|alike| self.alike.get_mut(alike)) {
                    group.known.more = group.known.more.saturating_add(*more);
                    group.known.count = group.known.count.saturating_add(*more);
                    return Ok(());
                }
                let Some(known) = self.refused.get_mut(id) else { return Ok(()) };
                known.more = known.more.saturating_add(*more);
                known.count = *count;
                match self.format {
                    Format::Json => put(&json::repeated(known.number, *more, *count, Some(*last))),
                    Format::Text => Ok(()),
                }
            }
            News::Ended { id, after } => self.process_ended(*id, *after),
        }
    }

    fn logged(&mut self, item: &logged::Item) -> Result<(), OutputError> {
        match item {
            logged::Item::New { number: id, record, count } => {
                self.numbers += 1;
                let number = self.numbers;
                while self.logged.len() >= MOST_LOGGED
                    && let Some((_, oldest)) = self.logged.pop_first()
                {
                    self.tell_repetitions(oldest)?;
                }
                self.logged.insert(*id, Known { number, more: 0, count: *count });
                let pid = Some(record.pid).filter(|_| self.numbers_are_ours);
                put(&match self.format {
                    Format::Json => json::logged(number, record, *count, pid),
                    Format::Text => text::logged(number, record, *count, pid),
                })
            }
            logged::Item::Repeated { number: id, more, count, last_ms } => {
                let Some(known) = self.logged.get_mut(id) else { return Ok(()) };
                known.more = known.more.saturating_add(*more);
                known.count = *count;
                let last = last_ms.map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
                match self.format {
                    Format::Json => put(&json::repeated(known.number, *more, *count, last)),
                    Format::Text => Ok(()),
                }
            }
        }
    }

    fn missed(&mut self, missed: &Missed) -> Result<(), OutputError> {
        match self.format {
            Format::Json => put(&json::missed(&missed.what, None, Some(missed.count))),
            // The last count is said at the end.
            Format::Text => Ok(()),
        }
    }

    fn ended(&mut self, totals: Totals, logged: u64, missed: &[Missed]) -> Result<(), OutputError> {
        match self.format {
            Format::Json => put(&json::summary(totals, logged, missed))?,
            Format::Text => {
                let logged_ones = self.logged.values().map(|known| (*known, 1));
                let alike = self.alike.values().map(|group| (group.known, group.processes));
                let mut known: Vec<(Known, u64)> = alike.chain(logged_ones).collect();
                known.sort_by_key(|(known, _)| known.number);
                for (known, processes) in known {
                    repetitions(known, processes)?;
                }
                let totals = Totals { denials: self.kinds, ..totals };
                output::talk(&text::summary(totals, logged));
            }
        }
        for item in missed {
            output::warn(&format!("missed: {} ({})", item.what, item.count));
        }
        Ok(())
    }

    fn reader(&self) -> Option<BorrowedFd<'_>> {
        let stat = rustix::fs::fstat(&self.stdout).ok()?;
        // Its other end may be closed while there is nothing to write.
        (FileType::from_raw_mode(stat.st_mode) == FileType::Fifo).then_some(self.stdout.as_fd())
    }
}

fn repetitions(known: Known, processes: u64) -> Result<(), OutputError> {
    if known.more == 0 {
        return Ok(());
    }
    put(&text::repeated(known.number, known.more, known.count, processes))
}

fn put(text: &str) -> Result<(), OutputError> {
    output::data(text.as_bytes())
}
