//! `profile import`: another tool's recording as a trace.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use sandprint_model::import::{ImportConfig, ImportError, Importer, Source};
use sandprint_model::{Arch, Trace};
use sandprint_view::trace::gaps;

use crate::exit::{self, Deciding, ExitStatus};
use crate::file_kind::FileKind;
use crate::output;
use crate::trace_file::{self, Content, TraceOutput};
use crate::usage::long_help;

/// Make a trace from another tool's recording
///
/// What could not be understood, or is known to be missing, becomes a gap of the trace and is reported on stderr.
/// Importing a file twice is the same as importing it once.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct ImportArgs {
    /// The recording; `-` is standard input
    file: PathBuf,

    /// The tool that made it
    #[arg(long, value_name = "TOOL", value_parser = source_parser())]
    from: Source,

    /// Write the trace to this file instead of standard output
    #[arg(short, long, value_name = "TRACE")]
    output: Option<PathBuf>,

    /// Merge into the existing trace instead of replacing it
    #[arg(long, requires = "output")]
    append: bool,

    /// The machine that a strace log is from, which the log does not say; by default this one
    #[arg(long, value_name = "ARCH", value_parser = arch_parser())]
    arch: Option<Arch>,

    #[command(flatten)]
    quiet: output::QuietArgs,

    /// Name the run, for `coverage` and `show`
    #[arg(long, value_name = "RUN")]
    name: Option<String>,
}

const EXAMPLES: &str = "
  strace -f -o app.strace ./app
  sandprint profile import --from strace app.strace -o app.trace.json

  ausearch -m SECCOMP --raw |
    sandprint profile import --from audit - -o denied.trace.json
  sandprint profile import --from sandprint-0.1 old.json |
    sandprint profile show -";

fn source_parser() -> impl TypedValueParser<Value = Source> {
    let values = Source::ALL.map(Source::name);
    PossibleValuesParser::new(values).try_map(|name| Source::from_name(&name).ok_or("no such tool"))
}

fn arch_parser() -> impl TypedValueParser<Value = Arch> {
    let values = Arch::ALL.map(Arch::name);
    PossibleValuesParser::new(values).try_map(|name| Arch::from_name(&name).ok_or("no such machine"))
}

/// Reads it and writes the trace.
pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<ExitStatus> {
    args.quiet.apply();
    let destination =
        args.output.as_deref().map(|path| TraceOutput::prepare(path, args.append)).transpose()?;
    let mut importer = Importer::new(args.from, &args.config()?);
    let mut head = Vec::new();
    let taken = trace_file::read_pieces(&args.file, |piece| {
        if head.len() < FileKind::LOOKED_AT {
            head.extend_from_slice(piece);
        }
        importer.take(piece)
    })?;
    let mut trace = taken.and_then(|()| importer.finish()).map_err(|error| args.refused(&error, &head))?;
    if let Some(name) = &args.name {
        for run in trace.runs.values_mut() {
            run.name = Some(name.clone());
        }
    }
    match &destination {
        Some(destination) => destination.write(&trace)?,
        None => output::data_by(|out| Content::from(&trace).write_to(out))?,
    }
    tell(&trace);
    Ok(ExitStatus::Success)
}

/// What may be missing is said at once, not only by `show`.
fn tell(trace: &Trace) {
    let gaps = gaps(trace);
    if !gaps.is_empty() {
        output::talk(&gaps);
    }
}

impl ImportArgs {
    fn config(&self) -> Result<ImportConfig, Deciding> {
        let here = || Arch::from_name(std::env::consts::ARCH);
        let arch = self.arch.or_else(here).ok_or_else(|| {
            Deciding::usage(
                format!("the system calls of this machine ({}) are not known", std::env::consts::ARCH),
                "say with `--arch` which machine it was recorded on",
            )
        })?;
        Ok(ImportConfig { arch })
    }

    /// Why it was not imported, with what to do about it.
    fn refused(&self, error: &ImportError, head: &[u8]) -> Deciding {
        let is_other = matches!(error, ImportError::NothingFound { .. } | ImportError::Json { .. });
        let kind = FileKind::of(head).filter(|_| is_other).filter(|kind| {
            !kind.is_source(self.from) && *kind != FileKind::OtherJson && *kind != FileKind::Binary
        });
        let hint = match error {
            ImportError::OnlySummary => "record with `strace -f -o FILE`, without `-c`",
            ImportError::UnknownArch { .. } => "record it on x86_64 or aarch64",
            ImportError::SchemaVersion { .. } => "record it again, with `sandprint profile run`",
            ImportError::Empty => "record it again",
            _ if kind.is_some() => kind.map_or("", FileKind::hint),
            _ => "`--from` says which tool wrote the file: strace, audit or sandprint-0.1",
        };
        let name = output::quote(&self.file);
        let message = match kind {
            Some(kind) => format!("failed to import {name}: {error}; it is {}", kind.noun()),
            None => format!("failed to import {name}: {error}"),
        };
        Deciding { status: ExitStatus::Failure, message, hint: hint.to_owned() }
    }
}
