//! Calls that filters refuse anywhere on the machine: what the kernel showed of them, judged and explained.
//!
//! - [`mod@judge`]: what really happened to a call that did not run.
//! - [`Watch`]: tells each kind of call once, and what came of it later.
//! - [`session`]: one watch from its start to its end.
//! - [`logged`]: calls that ran and were logged.
//! - [`attribution`]: whose these are.
//!
//! Nothing is kept of a process that has ended, so that a watch can last as long as its machine.

pub mod attribution;
pub mod judge;
pub mod logged;
pub mod session;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sandprint_model::{Location, Rule};
use sandprint_policy::cbpf::{Program, validate};
use sandprint_policy::suggest::smallest_rule;
use sandprint_record::refused::{FilterId, Refused};

use crate::origin::Origins;
use judge::{Judgement, Verdict};

/// Most filters that are kept after they were read.
const MOST_FILTERS: usize = 1024;

/// Calls that did not run, alike, and all that is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What the kernel showed.
    pub refused: Refused,
    /// What really happened.
    pub judgement: Judgement,
    /// The code that made it, or why that is not known.
    pub location: Result<Location, String>,
    /// The smallest rule that would allow it.
    pub rule: Rule,
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Calls of a kind that was not told before: refused ones, or such that somebody answered in their place.
    New(Box<Seen>),
    /// More of a kind that was told.
    Repeated {
        /// [`Refused::id`].
        id: u64,
        /// How many more.
        more: u64,
        /// How many in all.
        count: u64,
        /// When the last of them was made.
        last: SystemTime,
    },
    /// The process that made them ended.
    Ended {
        /// [`Refused::id`].
        id: u64,
        /// How long after the last of them.
        after: Duration,
    },
}

/// How much there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Kinds of refused calls.
    pub denials: u64,
    /// Refused calls.
    pub denied: u64,
    /// Calls that a supervisor or tracer answered in their place.
    pub emulated: u64,
    /// Calls that did not run, as it seemed, though nothing refused them: what showed them was wrong, or somebody answered
    /// whom nothing shows.
    pub not_refused: u64,
}

/// Judges what is seen, and remembers what was told.
#[derive(Debug, Default)]
pub struct Watch {
    filters: BTreeMap<FilterId, Option<Arc<Program>>>,
    origins: Origins,
    known: BTreeMap<u64, Known>,
    totals: Totals,
}

/// What was told of calls that are alike.
#[derive(Debug, Clone, Copy)]
struct Known {
    count: u64,
    verdict: Verdict,
}

impl Watch {
    /// Takes what was seen, and says what of it is to be told. `read` gives the instructions of a filter.
    pub fn take(&mut self, refused: Refused, read: impl Fn(FilterId) -> Option<Arc<[u8]>>) -> Vec<News> {
        let Refused { id, count, last, ended, .. } = refused;
        let known = self.known.get(&id).copied();
        let more = count.saturating_sub(known.map_or(0, |known| known.count));
        let mut news = Vec::new();
        let verdict = if let Some(Known { verdict, .. }) = known {
            if matches!(verdict, Verdict::Denied { .. } | Verdict::Emulated { .. }) {
                if more > 0 {
                    news.push(News::Repeated { id, more, count, last });
                }
                news.extend(ended.map(|after| News::Ended { id, after }));
            }
            verdict
        } else {
            let judgement = self.judge(&refused, read);
            news.extend(self.first(refused, judgement));
            judgement.verdict
        };
        self.add(verdict, more, known.is_none());
        if ended.is_some() {
            self.known.remove(&id);
        } else {
            self.known.insert(id, Known { count, verdict });
        }
        news
    }

    /// How much there was so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    fn first(&mut self, refused: Refused, judgement: Judgement) -> Option<News> {
        match judgement.verdict {
            Verdict::Denied { .. } | Verdict::Emulated { .. } => {}
            Verdict::Probe | Verdict::BrokenOff | Verdict::NotRefused => return None,
        }
        let location = match &refused.code {
            Ok(code) => {
                let living = refused.tgid.filter(|_| refused.ended.is_none());
                Ok(code.clone().within(self.origins.function(living, code)))
            }
            Err(why) => Err((*why).to_owned()),
        };
        let rule = smallest_rule(&refused.call);
        Some(News::New(Box::new(Seen { refused, judgement, location, rule })))
    }

    fn add(&mut self, verdict: Verdict, more: u64, is_new: bool) {
        let count = match verdict {
            Verdict::Denied { .. } => {
                self.totals.denials = self.totals.denials.saturating_add(u64::from(is_new));
                &mut self.totals.denied
            }
            Verdict::Emulated { .. } => &mut self.totals.emulated,
            Verdict::NotRefused => &mut self.totals.not_refused,
            Verdict::Probe | Verdict::BrokenOff => return,
        };
        *count = count.saturating_add(more);
    }

    fn judge(&mut self, refused: &Refused, read: impl Fn(FilterId) -> Option<Arc<[u8]>>) -> Judgement {
        let programs: Vec<Option<Arc<Program>>> =
            refused.filters.iter().map(|id| self.filter(*id, &read)).collect();
        let programs: Vec<Option<&Program>> = programs.iter().map(Option::as_deref).collect();
        judge::judge(refused, &programs)
    }

    fn filter(&mut self, id: FilterId, read: impl Fn(FilterId) -> Option<Arc<[u8]>>) -> Option<Arc<Program>> {
        if let Some(known) = self.filters.get(&id) {
            return known.clone();
        }
        let bytes = read(id)?;
        // What the kernel would not take is none that it runs, so it was not read as it is.
        let program = Program::from_bytes(&bytes).filter(|program| validate(program).is_ok()).map(Arc::new);
        if self.filters.len() >= MOST_FILTERS {
            self.filters.clear();
        }
        self.filters.insert(id, program.clone());
        program
    }
}

#[cfg(test)]
mod tests;
