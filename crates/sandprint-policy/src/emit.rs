//! A policy in the language of one sandbox.
//!
//! Each format is one file below and one line in [`FORMATS`]; help texts, documents and tests derive from
//! that table. A format never allows more than the policy without a [`Loss`] that says so
//! ([`Loss::weaker`]), and never lets anything that came from the workload out of its quotes.
//!
//! What a format writes of the parts that it holds, it says itself; that it does not hold a part at all is a loss that
//! no format can forget, because only `emit` makes an [`Emitted`] of what one wrote.

use std::collections::BTreeSet;
use std::fmt;

use sandprint_model::{About, Action, Loss, LossKind, Part, Policy, Rule};

use crate::enforce::runs;
use crate::synth::Runtime;

mod alternatives;
mod bpf;
mod by_name;
mod docker;
mod escape;
mod firecracker;
mod json;
mod k8s;
mod kafel;
mod markdown;
mod minijail;
mod oci;
mod one_machine;
mod policy_file;
mod reasons;
mod seccomp_h;
mod shape;
mod systemd;
mod unattended;
mod values;

pub use bpf::Bpf;
pub use docker::Docker;
pub use firecracker::Firecracker;
pub use json::Json;
pub use k8s::K8s;
pub use kafel::Kafel;
pub use markdown::Markdown;
pub use minijail::Minijail;
pub use oci::Oci;
pub use policy_file::PolicyFile;
pub use seccomp_h::SeccompHeader;
pub(crate) use systemd::NAMED_UP_TO;
pub use systemd::Systemd;

/// Every format, in name order.
pub static FORMATS: &[&dyn Format] = &[
    &Bpf,
    &Docker,
    &Firecracker,
    &Json,
    &K8s,
    &Kafel,
    &Markdown,
    &Minijail,
    &Oci,
    &SeccompHeader,
    &Systemd,
    &PolicyFile,
];

/// The format of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.name() == name)
}

/// One output language.
pub trait Format: fmt::Debug + Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// What it is, in half a line.
    fn summary(&self) -> &'static str;

    /// How such a file is usually called.
    fn file_name(&self) -> &'static str;

    /// The launchers that load such a file, in name order; none where the program loads it by itself.
    ///
    /// They make calls of their own between loading the filter and starting the program.
    fn launchers(&self) -> &'static [Runtime] {
        &[]
    }

    /// The one launcher that such a file is for: where nothing else loads it, every such profile serves that.
    fn sole_launcher(&self) -> Option<Runtime> {
        None
    }

    /// The parts of a policy that the language can say something of.
    fn holds(&self) -> &'static [Part];

    /// Writes these parts of the policy; an error where the language cannot hold them at all.
    fn write(&self, policy: &Policy) -> Result<Written, EmitError>;
}

impl dyn Format {
    /// The policy in this language; an error where the language cannot hold it at all.
    ///
    /// Each part of the policy that the language does not hold is a loss.
    pub fn emit(&self, policy: &Policy) -> Result<Emitted, EmitError> {
        let Written { content, mut losses } = self.write(policy)?;
        let held = self.holds();
        let missing = policy.parts().filter(|part| !held.contains(part));
        losses.extend(missing.map(|part| Loss::weaker(About::Part(part), LossKind::NotHeld)));
        Ok(Emitted { content, losses })
    }
}

/// Why a format cannot hold a policy, whatever is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct EmitError {
    /// What it cannot do, as it follows "failed to".
    pub what: String,
    /// What the user can do about it.
    pub hint: String,
}

/// A policy in one sandbox's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// The file's content.
    pub content: Content,
    /// What of the policy the language cannot say.
    pub losses: BTreeSet<Loss>,
}

/// What a format wrote of the parts that it holds. Nobody else can look into it: whoever wants the file asks for an
/// [`Emitted`].
#[derive(Debug)]
pub struct Written {
    content: Content,
    losses: BTreeSet<Loss>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text. It ends with a newline.
    Text(String),
    /// Anything else: not for a terminal.
    Binary(Vec<u8>),
}

impl Written {
    fn text(text: String, losses: BTreeSet<Loss>) -> Written {
        Written { content: Content::Text(text), losses }
    }
}

impl Content {
    /// The bytes of the file.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Content::Text(text) => text.as_bytes(),
            Content::Binary(bytes) => bytes,
        }
    }

    /// The text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Content::Text(text) => Some(text),
            Content::Binary(_) => None,
        }
    }
}

/// The loss of what rules say of a call that gets the default action instead.
fn left_to_default(about: About, kind: LossKind, rules: &[Rule], default: Action) -> Loss {
    if shape::is_refusal_lost(rules, default) {
        Loss::weaker(about, kind)
    } else if shape::is_run_lost(rules, default) {
        Loss::breaking(about, kind)
    } else {
        Loss::stricter(about, kind)
    }
}

/// The loss where one answer is given in place of another.
fn answered(about: About, got: Action, policy: Action) -> Loss {
    Loss::weaker_if(runs(got) && !runs(policy), about, LossKind::Answer { got, policy })
}

#[cfg(test)]
mod tests {
    use sandprint_model::Abi;

    use super::*;

    #[test]
    fn the_table_is_in_name_order_and_each_name_finds_its_format() {
        assert!(FORMATS.windows(2).all(|pair| pair[0].name() < pair[1].name()));
        for format in FORMATS {
            assert_eq!(by_name(format.name()).map(Format::name), Some(format.name()));
            assert!(!format.summary().is_empty() && !format.file_name().is_empty());
        }
        let files: BTreeSet<_> = FORMATS.iter().map(|format| format.file_name()).collect();
        assert_eq!(files.len(), FORMATS.len());
        assert!(by_name("no such format").is_none());
    }

    fn own_loss() -> Loss {
        Loss::stricter(About::DefaultAction, LossKind::RuncStub)
    }

    /// A language that can say nothing of a policy.
    #[derive(Debug)]
    struct Silent;

    impl Format for Silent {
        fn name(&self) -> &'static str {
            "silent"
        }

        fn summary(&self) -> &'static str {
            "nothing"
        }

        fn file_name(&self) -> &'static str {
            "nothing"
        }

        fn holds(&self) -> &'static [Part] {
            &[]
        }

        fn write(&self, _: &Policy) -> Result<Written, EmitError> {
            Ok(Written::text("\n".to_owned(), BTreeSet::from([own_loss()])))
        }
    }

    #[test]
    fn a_part_that_a_format_does_not_hold_is_a_loss_without_its_doing() {
        let policy = crate::synth::starting_point(Abi::X86_64);
        let silent: &dyn Format = &Silent;
        let emitted = silent.emit(&policy).unwrap();
        let missing = policy.parts().map(|part| Loss::weaker(About::Part(part), LossKind::NotHeld));
        assert_eq!(emitted.losses, missing.chain([own_loss()]).collect());
        assert_eq!(emitted.content, Content::Text("\n".to_owned()));
    }

    #[test]
    fn a_part_that_a_format_holds_is_no_loss() {
        let policy = crate::synth::starting_point(Abi::X86_64);
        for format in
            FORMATS.iter().filter(|format| policy.parts().all(|part| format.holds().contains(&part)))
        {
            let written = format.write(&policy).unwrap().losses;
            assert_eq!(format.emit(&policy).unwrap().losses, written, "{format:?}");
        }
    }
}
