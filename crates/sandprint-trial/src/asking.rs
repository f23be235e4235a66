//! Having refused calls decided while they wait: who decides, and what the thread that answers shares with the refinement.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use sandprint_model::{Call, Denial, Policy};

use crate::draft::{Answer, Draft, Standing};

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

/// What the answering thread and the refinement share.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    draft: Arc<Mutex<Draft>>,
    decider: Arc<Mutex<dyn Decider>>,
}

impl Asking {
    /// Nothing is decided yet but what the draft has.
    pub(crate) fn new(draft: Draft, decider: impl Decider + 'static) -> Asking {
        Asking { draft: Arc::new(Mutex::new(draft)), decider: Arc::new(Mutex::new(decider)) }
    }

    pub(crate) fn standing(&self, call: &Call) -> Standing {
        self.draft().standing(call)
    }

    /// What decides once nobody is left to be asked: the policy, what runs this time only, and what would be answered.
    pub(crate) fn unattended(&self) -> Policy {
        let policy = self.draft().with_unwritten();
        self.decider.lock().unwrap_or_else(PoisonError::into_inner).unattended(&policy)
    }

    /// Has a call decided.
    pub(crate) fn ask(&self, denial: &Denial, still_waits: &dyn Fn() -> bool) {
        let mut decider = self.decider.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(answer) = decider.decide(denial, still_waits) else { return };
        let by = decider.by();
        let policy = {
            let mut draft = self.draft();
            draft.enter(denial, answer, &by);
            draft.policy.clone()
        };
        decider.decided(&policy);
    }

    /// Waits until no question is open: where the tree has ended, what is open is withdrawn soon.
    pub(crate) fn settle(&self) {
        let begun = Instant::now();
        // A signal may have ended the round while a part of the tree still waits for an answer.
        while matches!(self.decider.try_lock(), Err(TryLockError::WouldBlock)) && begun.elapsed() < WITHDRAWN
        {
            thread::sleep(LOOK_AGAIN);
        }
    }

    pub(crate) fn draft(&self) -> MutexGuard<'_, Draft> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
