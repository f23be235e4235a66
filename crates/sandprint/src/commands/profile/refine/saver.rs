//! Keeping what was decided: the policy file is replaced after every decision.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sandprint_model::Policy;
use sandprint_model::wire::{self, PolicyFile};

use crate::exit::Deciding;
use crate::output::{self, quote};
use crate::policy_source::PolicySource;
use crate::trace_file::{Destination, Privacy, TraceOutput};

/// Writes the policy, with the comments that it was read with, in the form that it was read in.
#[derive(Debug, Clone)]
pub(super) struct Saver(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    destination: Destination,
    file: PolicyFile,
    is_policy_file: bool,
    /// What the file says, in its form.
    written: Option<String>,
    warned: bool,
}

impl Saver {
    /// Finds out, before the command is started, whether the policy can be written there.
    ///
    /// `is_there`: the file that was read is the one that is written, which stays as it is until something is decided.
    pub(super) fn prepare(path: &Path, source: &PolicySource, is_there: bool) -> anyhow::Result<Saver> {
        TraceOutput::prepare(path, false)?;
        let destination = Destination::resolve(path)?;
        if !matches!(destination, Destination::File(_)) {
            let hint = "give the name of a file: the policy is replaced after every decision";
            return Err(Deciding::usage(format!("{} is no regular file", quote(path)), hint).into());
        }
        let mut state = State {
            destination,
            file: source.file.clone(),
            is_policy_file: source.is_policy_file,
            written: None,
            warned: false,
        };
        state.written = is_there.then(|| state.text());
        Ok(Saver(Arc::new(Mutex::new(state))))
    }

    /// Writes it, if the file does not say so already.
    pub(super) fn save(&self, policy: &Policy) -> anyhow::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).save(policy)
    }

    /// The same in the middle of a run, where a failure is told once and the last [`Saver::save`] decides.
    pub(super) fn checkpoint(&self, policy: &Policy) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = state.save(policy)
            && !state.warned
        {
            state.warned = true;
            output::warn(&format!("what was decided could not be written yet: {error:#}"));
        }
    }

    /// Where it goes, for a message.
    pub(super) fn describe(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).destination.describe()
    }
}

impl State {
    fn text(&self) -> String {
        if self.is_policy_file { self.file.write() } else { wire::encode_policy(&self.file.policy) }
    }

    fn save(&mut self, policy: &Policy) -> anyhow::Result<()> {
        self.file.policy = policy.clone();
        let text = self.text();
        if self.written.as_ref() == Some(&text) {
            return Ok(());
        }
        self.destination.write(text.as_bytes(), Privacy::Shared)?;
        self.written = Some(text);
        Ok(())
    }
}
