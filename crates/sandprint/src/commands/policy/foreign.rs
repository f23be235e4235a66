//! What profiles of other tools are read with: which kind they are, and where they are used.

use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use sandprint_model::{Arch, KernelVersion};
use sandprint_policy::import::{self, Format, ImportError, Imported, Target};

use crate::exit::{Deciding, ExitStatus};
use crate::output;

/// The options that say what a profile is, and where it is used.
#[derive(Debug, clap::Args)]
pub(crate) struct ForeignArgs {
    /// What the profile is; found out otherwise
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), default_value = "auto")]
    from: From,

    /// The machine that the profile is used on; this one otherwise
    #[arg(long, value_name = "ARCH", value_parser = arch_parser())]
    arch: Option<Arch>,

    /// The kernel that it is used on, such as 6.1, where the profile asks for one; the newest otherwise
    #[arg(long, value_name = "VERSION")]
    kernel: Option<KernelVersion>,

    /// A capability that the container has beside Docker's default ones, where the profile asks for some
    #[arg(long, value_name = "CAP", value_parser = capability_parser)]
    cap: Vec<String>,

    /// The container has no capabilities but those of `--cap`
    #[arg(long)]
    no_default_caps: bool,
}

/// Which format, if one was named.
#[derive(Debug, Clone, Copy)]
struct From(Option<Format>);

fn format_parser() -> impl TypedValueParser<Value = From> {
    let auto = PossibleValue::new("auto").help("find out what it is");
    let others = Format::ALL.map(|format| PossibleValue::new(format.name()).help(format.summary()));
    PossibleValuesParser::new(std::iter::once(auto).chain(others)).map(|name| From(Format::from_name(&name)))
}

fn arch_parser() -> impl TypedValueParser<Value = Arch> {
    let values = Arch::ALL.map(Arch::name);
    PossibleValuesParser::new(values).try_map(|name| Arch::from_name(&name).ok_or("no such machine"))
}

fn capability_parser(name: &str) -> Result<String, String> {
    import::capability(name)
        .map(str::to_owned)
        .ok_or_else(|| "no such capability; capabilities(7) lists them".to_owned())
}

/// Says what was assumed, and where the policy is more or less than the profile.
pub(crate) fn tell(imported: &Imported) {
    for note in &imported.policy.notes {
        output::note(&note.to_string());
    }
    for loss in &imported.losses {
        if loss.weaker {
            output::warn(&format!("the policy allows more than the profile: {loss}"));
        } else {
            output::note(&format!("the policy does not hold all of the profile: {loss}"));
        }
    }
}

impl ForeignArgs {
    /// The format that was named, or that the bytes have.
    pub(crate) fn format(&self, bytes: &[u8]) -> Option<Format> {
        self.from.0.or_else(|| import::sniff(bytes))
    }

    /// Makes a policy of the profile that this file holds.
    pub(crate) fn import(&self, path: &Path, bytes: &[u8]) -> Result<Imported, Deciding> {
        let target = self.target()?;
        self.format(bytes)
            .ok_or(ImportError::Unrecognized)
            .and_then(|format| import::import(format, bytes, &target))
            .map_err(|error| refused(path, &error))
    }

    fn target(&self) -> Result<Target, Deciding> {
        let here = || Arch::from_name(std::env::consts::ARCH);
        let arch = self.arch.or_else(here).ok_or_else(|| {
            Deciding::usage(
                format!("the system calls of this machine ({}) are not known", std::env::consts::ARCH),
                "say with `--arch` which machine the profile is used on",
            )
        })?;
        let mut target = Target { kernel: self.kernel, ..Target::new(arch) };
        if self.no_default_caps {
            target.capabilities.clear();
        }
        target.capabilities.extend(self.cap.iter().cloned());
        Ok(target)
    }
}

/// Why it was not imported, with what to do about it.
fn refused(path: &Path, error: &ImportError) -> Deciding {
    let hint = match error {
        ImportError::Empty => "it may have been emptied by a redirection (`> FILE`) before it was read",
        ImportError::TooLarge(_) => "this is no profile; check the name",
        ImportError::Unrecognized => "`--from` says what it is: bpf, docker, oci or systemd",
        ImportError::NotText(_) => "`--from bpf` reads a raw program; every other profile is text",
        ImportError::Text { .. } => "correct it there, or say with `--from` what the file is",
        ImportError::NoFilter => "give a unit with `SystemCallFilter=`, or the drop-in that has it",
        ImportError::NotWhole(_) => {
            "give the program as `seccomp_export_bpf` writes it: an array of `struct sock_filter`"
        }
        ImportError::Invalid(_) => "give the program as it is loaded, of a little-endian machine",
        ImportError::TooComplex => "import the profile that the program was made of, if there is one",
    };
    let message = format!("failed to import {}: {error}", output::quote(path));
    Deciding { status: ExitStatus::Failure, message, hint: hint.to_owned() }
}
