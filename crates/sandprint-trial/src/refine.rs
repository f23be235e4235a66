//! Runs a command under a policy again and again, has somebody decide each call that is refused, and writes the
//! decisions into the policy.
//!
//! A call waits while it is decided about, and then runs or fails accordingly. So what a workload does only because
//! its calls failed (the words of a loader that cannot map its library) does not get into the policy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use sandprint_model::{Call, Date, Exit, Policy, Syscall};
use sandprint_policy::enforce;
use sandprint_policy::synth::Additions;
use sandprint_sandbox::signals::Signal;

use crate::explain::{self, Answering};
use crate::ledger::{Ledger, Standing};
use crate::trial::{Feeding, Trial};
use crate::verify::VerifyError;
use crate::{Answer, Decision, Denial};

/// How long a question may take to be withdrawn.
const WITHDRAWN: Duration = Duration::from_secs(1);

/// How often it is looked whether it is.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Who decides: a person, or rules.
pub trait Decider: fmt::Debug + Send {
    /// Decides about a call that nothing but a default of the policy refuses.
    ///
    /// The call waits meanwhile, as `still_waits` says. Once it does not, a question is to be withdrawn within a second
    /// with `None`, and nothing was decided.
    fn decide(&mut self, denial: &Denial, still_waits: &dyn Fn() -> bool) -> Option<Answer>;

    /// Who or what answers, for the reasons of rules.
    fn by(&self) -> String;

    /// What the policy would be if everything had been asked that it leaves open: for calls that come when nobody is
    /// left to be asked.
    fn unattended(&self, policy: &Policy) -> Policy {
        policy.clone()
    }

    /// Called after each decision with what the policy is now.
    fn decided(&mut self, policy: &Policy);
}

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
        let ledger = Arc::new(Mutex::new(Ledger::new(policy, on, additions)));
        Refinement { asking: Asking { ledger, decider: Arc::new(Mutex::new(decider)) }, has_begun: false }
    }

    /// Runs the command under the policy as it is now, and has the calls decided that it refuses.
    ///
    /// What was decided before an error is kept.
    ///
    /// `is_only`: there is no further round, whatever this one brings, and was none before.
    pub fn round(&mut self, trial: &mut Trial, is_only: bool) -> Result<Round, VerifyError> {
        if !is_only && !self.has_begun {
            trial.tell_what_is_gone();
        }
        self.has_begun = true;
        let before = self.asking.ledger().decisions.len();
        let policy = self.policy();
        let feeding = if is_only { Feeding::Once } else { Feeding::Again };
        let explained = explain::run(trial, &policy, Answering::Asking(self.asking.clone()), feeding);
        self.asking.settle();
        let explained = explained?;
        let ledger = self.asking.ledger();
        let is_left = |denial: &Denial| !enforce::runs(ledger.policy.decide(&denial.call));
        Ok(Round {
            exit: explained.waited.exit,
            timed_out: explained.waited.timed_out,
            interrupted: explained.waited.interrupted,
            decided: ledger.decisions.len().saturating_sub(before),
            left: explained.denials.into_iter().filter(is_left).collect(),
            caveats: explained.caveats,
        })
    }

    /// The policy with all that was decided.
    pub fn policy(&self) -> Policy {
        self.asking.ledger().policy.clone()
    }

    /// The decisions, in their order.
    pub fn decisions(&self) -> Vec<Decision> {
        self.asking.ledger().decisions.clone()
    }

    /// What a reader should know of what the decisions did, in sentences.
    pub fn notes(&self) -> BTreeSet<String> {
        self.asking.ledger().notes.clone()
    }

    /// Calls that came with the decisions, since a run need not show them.
    pub fn added(&self) -> BTreeSet<Syscall> {
        self.asking.ledger().added.clone()
    }

    /// Whether [`Answer::Stop`] was given.
    pub fn is_stopped(&self) -> bool {
        self.asking.ledger().stopped
    }

    /// Calls that are allowed with more than `most` sets of arguments, and how many those are.
    pub fn alternatives_beyond(&self, most: usize) -> BTreeMap<Syscall, usize> {
        self.asking.ledger().alternatives_beyond(most)
    }
}

/// What the answering thread and the refinement share.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    ledger: Arc<Mutex<Ledger>>,
    decider: Arc<Mutex<dyn Decider>>,
}

impl Asking {
    pub(crate) fn standing(&self, call: &Call) -> Standing {
        self.ledger().standing(call)
    }

    /// What decides once nobody is left to be asked: the policy, what runs this time only, and what would be answered.
    pub(crate) fn unattended(&self) -> Policy {
        let policy = self.ledger().with_unwritten();
        self.decider.lock().unwrap_or_else(PoisonError::into_inner).unattended(&policy)
    }

    /// Has a call decided.
    pub(crate) fn ask(&self, denial: &Denial, still_waits: &dyn Fn() -> bool) {
        let mut decider = self.decider.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(answer) = decider.decide(denial, still_waits) else { return };
        let by = decider.by();
        let policy = {
            let mut ledger = self.ledger();
            ledger.enter(denial, answer, &by);
            ledger.policy.clone()
        };
        decider.decided(&policy);
    }

    /// Waits until no question is open: where the tree has ended, what is open is withdrawn soon.
    fn settle(&self) {
        let begun = Instant::now();
        // A signal may have ended the round while a part of the tree still waits for an answer.
        while matches!(self.decider.try_lock(), Err(TryLockError::WouldBlock)) && begun.elapsed() < WITHDRAWN
        {
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
