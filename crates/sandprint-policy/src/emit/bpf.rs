//! The filter as the kernel takes it: an array of `struct sock_filter`.

use std::collections::BTreeSet;

use sandprint_model::{Part, Policy};

use super::{Content, EmitError, Format, Written};
use crate::cbpf::{self, MOST_INSTRUCTIONS};
use crate::synth::Runtime;

/// What `bwrap --seccomp FD`, crun's annotation `run.oci.seccomp_bpf_data` (in base64) and `setpriv
/// --seccomp-filter` (util-linux 2.41) read.
#[derive(Debug)]
pub struct Bpf;

impl Format for Bpf {
    fn name(&self) -> &'static str {
        "bpf"
    }

    fn summary(&self) -> &'static str {
        "the filter itself, as classic BPF (bwrap --seccomp, setpriv --seccomp-filter)"
    }

    fn file_name(&self) -> &'static str {
        "seccomp.bpf"
    }

    fn launchers(&self) -> &'static [Runtime] {
        &[Runtime::Bwrap]
    }

    fn holds(&self) -> &'static [Part] {
        &[Part::Calls]
    }

    fn write(&self, policy: &Policy) -> Result<Written, EmitError> {
        let program = cbpf::compile(policy).map_err(|error| EmitError {
            what: error.to_string(),
            hint: format!(
                "the kernel takes {MOST_INSTRUCTIONS} instructions in one filter: write the rules of some calls with \
                 fewer conditions"
            ),
        })?;
        Ok(Written { content: Content::Binary(program.to_bytes()), losses: BTreeSet::new() })
    }
}
