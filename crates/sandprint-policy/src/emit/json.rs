//! The policy itself: every rule with every reason, in sandprint's own form.

use std::collections::BTreeSet;

use sandprint_model::{Part, Policy, wire};

use super::{EmitError, Format, Written};

/// What other commands of sandprint read back.
#[derive(Debug)]
pub struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn summary(&self) -> &'static str {
        "the policy itself, with a reason for every rule (sandprint's own form)"
    }

    fn file_name(&self) -> &'static str {
        "policy.json"
    }

    fn holds(&self) -> &'static [Part] {
        &[Part::Calls]
    }

    fn write(&self, policy: &Policy) -> Result<Written, EmitError> {
        Ok(Written::text(wire::encode_policy(policy), BTreeSet::new()))
    }
}
