//! What profiles of other tools are read with: which kind they are, and where they are used.

use std::error::Error as _;
use std::io;
use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use sandprint_model::wire::{self, DecodeError, LooksLike, PolicyFile};
use sandprint_model::{Arch, KernelVersion};
use sandprint_policy::import::{self, Format, ImportError, Imported, Site};

use crate::exit::{Deciding, ExitStatus};
use crate::file_kind::FileKind;
use crate::output;
use crate::trace_file::ReadError;

/// The options that say what a profile is, and where it is used.
#[derive(Debug, clap::Args)]
pub(crate) struct ForeignArgs {
    /// What the profile is; detected by default
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), default_value = "auto")]
    from: From,

    /// The machine that uses the profile; by default this one
    #[arg(long, value_name = "ARCH", value_parser = arch_parser())]
    arch: Option<Arch>,

    /// The kernel that uses it, such as 6.1, if the profile depends on that; by default the newest
    #[arg(long, value_name = "VERSION")]
    kernel: Option<KernelVersion>,

    /// A capability of the container beyond Docker's defaults, if the profile depends on it
    #[arg(long, value_name = "CAP", value_parser = capability_parser)]
    cap: Vec<String>,

    /// The container has only the capabilities of `--cap`
    #[arg(long)]
    no_default_caps: bool,
}

/// Which format, if one was named.
#[derive(Debug, Clone, Copy)]
struct From(Option<Format>);

fn format_parser() -> impl TypedValueParser<Value = From> {
    let auto = PossibleValue::new("auto").help("detect it");
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
    let is_empty = !imported.policy.calls.rules.values().flatten().any(|rule| rule.action.lets_run())
        && !imported.policy.calls.default_action.lets_run()
        && !imported.policy.calls.foreign_action.lets_run();
    if is_empty {
        output::warn("the profile allows no call at all: nothing can run under it, nor under the policy");
    }
    for fault in &imported.faults {
        output::warn(&format!("the profile may not be enforced as it says: {fault}"));
    }
}

impl ForeignArgs {
    /// The format that was named, or that the bytes have.
    pub(crate) fn format(&self, bytes: &[u8]) -> Option<Format> {
        self.from.0.or_else(|| import::sniff(bytes))
    }

    /// Makes a policy of the profile that this file holds.
    pub(crate) fn import(&self, path: &Path, bytes: &[u8]) -> Result<Imported, Deciding> {
        let site = self.site()?;
        let is_blank = bytes.iter().all(u8::is_ascii_whitespace);
        self.format(bytes)
            .ok_or(if is_blank { ImportError::Empty } else { ImportError::Unrecognized })
            .and_then(|format| import::import(format, bytes, &site))
            .map_err(|error| refused(path, &error, bytes))
    }

    fn site(&self) -> Result<Site, Deciding> {
        let here = || Arch::from_name(std::env::consts::ARCH);
        let arch = self.arch.or_else(here).ok_or_else(|| {
            Deciding::usage(
                format!("the system calls of this machine ({}) are not known", std::env::consts::ARCH),
                "say with `--arch` which machine the profile is used on",
            )
        })?;
        let mut site = Site { kernel: self.kernel, ..Site::new(arch) };
        if self.no_default_caps {
            site.capabilities.clear();
        }
        site.capabilities.extend(self.cap.iter().cloned());
        Ok(site)
    }
}

const EMPTIED: &str = "it may have been emptied by a redirection (`> FILE`) before it was read";

/// The error of a file that could not be read; its usual hints are about traces.
pub(crate) fn unread(error: ReadError) -> anyhow::Error {
    let hint = match &error {
        ReadError::Read { source, .. } => match source.kind() {
            io::ErrorKind::NotFound => "check the name",
            io::ErrorKind::PermissionDenied => "ask the owner, or use sudo",
            _ => return error.into(),
        },
        ReadError::Directory(_) => "give one of the profiles in it",
        ReadError::Empty(_) => EMPTIED,
        ReadError::TooLarge { .. } => "this is no profile; check the name",
        ReadError::OtherKind { .. } | ReadError::Decode { .. } => return error.into(),
    };
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    let message = format!("{error}{cause}");
    Deciding { status: ExitStatus::Failure, message, hint: hint.to_owned() }.into()
}

/// What to do with a file that is sandprint's own, and so needs no import.
fn own_document(bytes: &[u8]) -> Option<&'static str> {
    let is_file = || str::from_utf8(bytes).is_ok_and(|text| PolicyFile::read(text).is_ok());
    match wire::decode_policy(bytes) {
        Ok(_) => Some(
            "this is a policy already: `sandprint profile generate -p FILE -f toml` makes a policy file of it",
        ),
        Err(DecodeError::Foreign { looks_like: LooksLike::Trace, .. }) => {
            Some("this is a trace: `sandprint profile generate -i FILE -f toml` makes a policy of it")
        }
        Err(_) if is_file() => Some("this is a policy file already, and can be used as it is"),
        Err(_) => None,
    }
}

/// Why it was not imported, with what to do about it.
fn refused(path: &Path, error: &ImportError, bytes: &[u8]) -> Deciding {
    let kind = FileKind::of(bytes).filter(|kind| match error {
        // A raw program that was cut is no text either.
        ImportError::Unrecognized => *kind != FileKind::Binary,
        // It is no JSON at all, whatever `--from` says.
        ImportError::Text { .. } => *kind == FileKind::Yaml,
        _ => false,
    });
    let hint = match error {
        ImportError::Empty => EMPTIED,
        ImportError::TooLarge(_) => "this is no profile; check the name",
        ImportError::Unrecognized => own_document(bytes)
            // A profile with a misspelt key is JSON of another kind too.
            .or_else(|| kind.filter(|kind| *kind != FileKind::OtherJson).map(FileKind::hint))
            .unwrap_or("`--from` says what it is: bpf, docker, oci or systemd"),
        ImportError::Text { .. } if kind.is_some() => kind.map_or("", FileKind::hint),
        ImportError::NotText(_) => "`--from bpf` reads a raw program; every other profile is text",
        ImportError::Text { .. } => "correct it there, or say with `--from` what the file is",
        ImportError::NoFilter => "give a unit with `SystemCallFilter=`, or the drop-in that has it",
        ImportError::NotWhole(_) => {
            "give the program as `seccomp_export_bpf` writes it: an array of `struct sock_filter`"
        }
        ImportError::Invalid(_) => "give the program as it is loaded, of a little-endian machine",
        ImportError::TooComplex => "import the profile that the program was made of, if there is one",
    };
    let name = if path == Path::new("-") { "standard input".to_owned() } else { output::quote(path) };
    let message = match kind {
        Some(kind) => format!("failed to import {name}: it is no profile but {}", kind.noun()),
        None => format!("failed to import {name}: {error}"),
    };
    Deciding { status: ExitStatus::Failure, message, hint: hint.to_owned() }
}
