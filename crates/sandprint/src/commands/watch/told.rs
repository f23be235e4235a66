//! A kind of call as it is told, in either form.

use sandprint_trial::watch::Seen;

use super::suggest::Suggestion;
use crate::target::Place;

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
