//! Runs a command under a policy again and again, has somebody decide each call that is refused, and writes the
//! decisions into the policy.
//!
//! A call waits while it is decided about, and then runs or fails accordingly. So what a workload does only because
//! its calls failed (the words of a loader that cannot map its library) does not get into the policy.

use std::collections::{BTreeMap, BTreeSet};

use sandprint_model::{Date, Denial, Exit, Policy, Syscall};
use sandprint_policy::enforce;
use sandprint_policy::synth::Additions;
use sandprint_sandbox::signals::Signal;

use crate::asking::Asking;
use crate::draft::{Decision, Draft};
use crate::error::TrialError;
use crate::pass::explain::{self, Answering};
use crate::trial::{Feeding, Trial};

pub use crate::asking::Decider;

/// A policy that is being refined.
#[derive(Debug)]
pub struct Refinement {
    asking: Asking,
    has_begun: bool,
}

/// What one run of the workload brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// How the first process ended.
    pub exit: Exit,
    /// Whether its time was up.
    pub timed_out: bool,
    /// A signal that came after the first process had ended, and ended the waiting for others.
    pub interrupted: Option<Signal>,
    /// How many decisions were made that changed what runs.
    pub decided: usize,
    /// What the policy, as it is written now, still refuses of what the workload called.
    pub left: Vec<Denial>,
    /// What the round could not do as the policy says, in sentences.
    pub caveats: Vec<String>,
}

impl Refinement {
    /// Begins. `on` is the day that decisions get, `additions` what is added beside what they allow.
    pub fn new(
        policy: Policy,
        on: Date,
        additions: Option<&'static Additions>,
        decider: impl Decider + 'static,
    ) -> Refinement {
        let draft = Draft::new(policy, on, additions);
        Refinement { asking: Asking::new(draft, decider), has_begun: false }
    }

    /// Runs the command under the policy as it is now, and has the calls decided that it refuses.
    ///
    /// What was decided before an error is kept.
    ///
    /// `is_only`: there is no further round, whatever this one brings, and was none before.
    pub fn round(&mut self, trial: &mut Trial, is_only: bool) -> Result<Round, TrialError> {
        if !is_only && !self.has_begun {
            trial.tell_what_is_gone();
        }
        self.has_begun = true;
        let before = self.asking.draft().decisions.len();
        let policy = self.policy();
        let feeding = if is_only { Feeding::Once } else { Feeding::Again };
        let explained = explain::run(trial, &policy, Answering::Asking(self.asking.clone()), feeding);
        self.asking.settle();
        let explained = explained?;
        let draft = self.asking.draft();
        let is_left = |denial: &Denial| !enforce::runs(draft.policy.calls.decide(&denial.call));
        Ok(Round {
            exit: explained.waited.exit,
            timed_out: explained.waited.timed_out,
            interrupted: explained.waited.interrupted,
            decided: draft.decisions.len().saturating_sub(before),
            left: explained.denials.into_iter().filter(is_left).collect(),
            caveats: explained.caveats,
        })
    }

    /// The policy with all that was decided.
    pub fn policy(&self) -> Policy {
        self.asking.draft().policy.clone()
    }

    /// The decisions, in their order.
    pub fn decisions(&self) -> Vec<Decision> {
        self.asking.draft().decisions.clone()
    }

    /// What a reader should know of what the decisions did, in sentences.
    pub fn notes(&self) -> BTreeSet<String> {
        self.asking.draft().notes.clone()
    }

    /// Calls that came with the decisions, since a run need not show them.
    pub fn added(&self) -> BTreeSet<Syscall> {
        self.asking.draft().added.clone()
    }

    /// Whether [`Answer::Stop`](crate::draft::Answer::Stop) was given.
    pub fn is_stopped(&self) -> bool {
        self.asking.draft().stopped
    }

    /// Calls that are allowed with more than `most` sets of arguments, and how many those are.
    pub fn alternatives_beyond(&self, most: usize) -> BTreeMap<Syscall, usize> {
        self.asking.draft().alternatives_beyond(most)
    }
}
