//! Where a watch tells what it sees: the numbers by which kinds of calls are told again, and the form.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use sandprint_model::ByteString;
use sandprint_record::ebpf::Missed;
use sandprint_trial::watch::judge::Verdict;
use sandprint_trial::watch::{News, Seen, Totals};

use super::suggest::{self, Suggestion};
use super::{Format, json, logged, scope, text};
use crate::output::{self, OutputError};
use crate::policy_source::PolicySource;
use crate::target::{Host, Place};

/// Most cgroups whose place is remembered.
const MOST_PLACES: usize = 1024;
/// Most kinds of logged calls whose numbers are remembered: more than can still be repeated.
const MOST_LOGGED: usize = 2 * logged::MOST;

/// A kind of call that is told for the first time.
#[derive(Debug)]
pub(super) struct Told<'t> {
    /// Counted from 1, for all kinds of a watch.
    pub(super) number: u64,
    pub(super) seen: &'t Seen,
    pub(super) place: &'t Place,
    /// What the policy that was given says of it.
    pub(super) suggestion: Option<Suggestion>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Page {
    format: Format,
    policy: Option<PolicySource>,
    host: Host,
    places: BTreeMap<ByteString, Place>,
    /// The numbers of refused calls by their id, while their process lives, and how often they were repeated without
    /// that having been told.
    refused: BTreeMap<u64, Known>,
    /// The same of logged ones.
    logged: BTreeMap<u64, Known>,
    numbers: u64,
    numbers_are_ours: bool,
}

/// A kind that was told.
#[derive(Debug, Clone, Copy)]
struct Known {
    number: u64,
    /// Repetitions that people are told at the end.
    more: u64,
    count: u64,
}

impl Page {
    pub(super) fn new(format: Format, policy: Option<PolicySource>) -> Page {
        Page {
            format,
            policy,
            host: Host::here(),
            places: BTreeMap::new(),
            refused: BTreeMap::new(),
            logged: BTreeMap::new(),
            numbers: 0,
            numbers_are_ours: scope::numbers_are_ours(),
        }
    }

    /// Tells news of calls that did not run.
    pub(super) fn news(&mut self, news: &News) -> Result<(), OutputError> {
        match news {
            News::New(seen) => self.new_kind(seen),
            News::Repeated { id, more, count, last } => {
                let Some(known) = self.refused.get_mut(id) else { return Ok(()) };
                known.more = known.more.saturating_add(*more);
                known.count = *count;
                match self.format {
                    Format::Json => put(&json::repeated(known.number, *more, *count, Some(*last))),
                    Format::Text => Ok(()),
                }
            }
            News::Ended { id, after } => self.ended(*id, *after),
        }
    }

    fn new_kind(&mut self, seen: &Seen) -> Result<(), OutputError> {
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

    fn ended(&mut self, id: u64, after: Duration) -> Result<(), OutputError> {
        let Some(known) = self.refused.remove(&id) else { return Ok(()) };
        match self.format {
            Format::Json => put(&json::ended(known.number, after)),
            Format::Text => {
                repetitions(known)?;
                text::ended(known.number, after).map_or(Ok(()), |line| put(&line))
            }
        }
    }

    /// Tells of calls that ran and were logged.
    pub(super) fn logged(&mut self, item: &logged::Item) -> Result<(), OutputError> {
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

    /// Tells that something cannot be seen.
    pub(super) fn unseen(&mut self, what: &str, why: &str) -> Result<(), OutputError> {
        match self.format {
            Format::Json => put(&json::missed(what, Some(why), None)),
            // People were told on stderr.
            Format::Text => Ok(()),
        }
    }

    /// Tells that something was missed, so often by now.
    pub(super) fn missed(&mut self, missed: &Missed) -> Result<(), OutputError> {
        match self.format {
            Format::Json => put(&json::missed(&missed.what, None, Some(missed.count))),
            // The last count is said at the end.
            Format::Text => Ok(()),
        }
    }

    /// Tells what was kept for the end, and what it all came to.
    pub(super) fn end(&mut self, totals: Totals, logged: u64, missed: &[Missed]) -> anyhow::Result<()> {
        match self.format {
            Format::Json => put(&json::summary(totals, logged, missed))?,
            Format::Text => {
                let mut known: Vec<Known> =
                    self.refused.values().chain(self.logged.values()).copied().collect();
                known.sort_by_key(|known| known.number);
                for known in known {
                    repetitions(known)?;
                }
                output::talk(&text::summary(totals, logged));
            }
        }
        for item in missed {
            output::warn(&format!("missed: {} ({})", item.what, item.count));
        }
        Ok(())
    }

    fn tell_repetitions(&self, known: Known) -> Result<(), OutputError> {
        match self.format {
            // They were told as they came.
            Format::Json => Ok(()),
            Format::Text => repetitions(known),
        }
    }
}

fn repetitions(known: Known) -> Result<(), OutputError> {
    if known.more == 0 {
        return Ok(());
    }
    put(&text::repeated(known.number, known.more, known.count))
}

fn put(text: &str) -> Result<(), OutputError> {
    output::data(text.as_bytes())
}
