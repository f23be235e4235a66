//! The policy file: the policy itself, to keep in version control and to edit.

use std::collections::BTreeSet;

use sandprint_model::{Part, Policy, wire};

use super::{EmitError, Format, Written};

/// What people edit, and every command that takes a policy reads.
#[derive(Debug)]
pub struct PolicyFile;

impl Format for PolicyFile {
    fn name(&self) -> &'static str {
        "toml"
    }

    fn summary(&self) -> &'static str {
        "the policy file: readable, one fact a line, to edit and to keep in version control"
    }

    fn file_name(&self) -> &'static str {
        "policy.toml"
    }

    fn holds(&self) -> &'static [Part] {
        &[Part::Calls]
    }

    fn write(&self, policy: &Policy) -> Result<Written, EmitError> {
        Ok(Written::text(wire::PolicyFile::new(policy.clone()).write(), BTreeSet::new()))
    }
}
