//! The policy file: the policy itself, to keep in version control and to edit.

use std::collections::BTreeSet;

use sandprint_model::{Policy, wire};

use super::{EmitError, Emitted, Format};

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

    fn emit(&self, policy: &Policy) -> Result<Emitted, EmitError> {
        Ok(Emitted::text(wire::PolicyFile::new(policy.clone()).write(), BTreeSet::new()))
    }
}
