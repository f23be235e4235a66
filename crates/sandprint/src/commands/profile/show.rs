//! `profile show`: what a trace holds.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use sandprint_model::{FactKind, Trace};
use sandprint_view::trace::{self, Form, Sort};

use super::images::ImageArgs;
use crate::exit::{self, ExitStatus};
use crate::usage::long_help;
use crate::{output, trace_file};

/// Show a trace: calls, their arguments, runs, and what may be missing
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct ShowArgs {
    /// The trace; `-` is standard input
    trace: PathBuf,

    /// Count separately
    #[arg(long, value_name = "WHAT", value_enum)]
    by: Option<By>,

    /// Show one kind of fact by itself; `tsv` and `json` give its own columns
    #[arg(long, value_name = "KIND", value_parser = kind_parser())]
    only: Option<FactKind>,

    /// Sort the table of calls
    #[arg(long, value_name = "COLUMN", value_enum, default_value_t = Column::Count)]
    sort: Column,

    /// Show all runs and gaps, not only the first few
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    images: ImageArgs,

    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// For each program; a script is shown beside its interpreter
    Image,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Column {
    /// The most frequent call first
    Count,
    /// By the call's name
    Name,
    /// By the call's number
    Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: calls, recorded arguments, runs and gaps
    Table,
    /// For programs: a header, then `abi`, `nr`, `name`, `count`, separated by tabs and sorted by abi and nr; `--by
    /// image` puts `image` first
    Tsv,
    /// For programs: the same, with arguments, runs and gaps
    Json,
}

fn kind_parser() -> impl TypedValueParser<Value = FactKind> {
    let help = |kind| match kind {
        FactKind::Arguments => "With which arguments calls were made: abi, name, arguments, count",
        FactKind::Capabilities => "Which capabilities were asked for: capability, granted, refused",
        FactKind::Files => "What was done to which file: path, rights, succeeded, failed",
        FactKind::IoUring => "What was submitted through io_uring: opcode, count",
        FactKind::Memory => "Memory that became writable and executable: kind, path, count",
        FactKind::Names => "Which names stood for which addresses: name, address, source",
        FactKind::Namespaces => "How tasks and namespaces were made: call, flags, count",
        FactKind::Peaks => "The most that there was of something: what, value",
        FactKind::Sockets => {
            "What was done with sockets: family, type, protocol, operation, address, succeeded, failed"
        }
        FactKind::Refused => {
            "What a seccomp filter answered with an error in the call's place: abi, name, errno, count"
        }
        FactKind::Results => "Which calls failed: abi, name, errno, count",
    };
    let values = FactKind::ALL.map(|kind| PossibleValue::new(kind.name()).help(help(kind)));
    PossibleValuesParser::new(values).try_map(|name| FactKind::from_name(&name).ok_or("no such kind of fact"))
}

const EXAMPLES: &str = "
  sandprint profile show ls.trace.json
  sandprint profile show --by image build.trace.json
  sandprint profile show --sort name ls.trace.json
  sandprint profile show --only results ls.trace.json
  sandprint profile show --format tsv ls.trace.json | tail -n +2 | cut -f 3

ABIs are x86_64, i386, x32, aarch64 and arm. A number without a name is shown
as `-`, with `--only` as its number. Numbers of x32 are shown without bit 30.";

/// Prints it.
pub(crate) fn run(args: &ShowArgs) -> anyhow::Result<ExitStatus> {
    let (recorded, _) = args.images.of(trace_file::read(&args.trace)?)?;
    let by_image = args.by == Some(By::Image);
    if let Some(kind) = args.only {
        let form = match args.format {
            Format::Table => Form::Text,
            Format::Tsv => Form::Tsv,
            Format::Json => Form::Json,
        };
        output::data(trace::only(&recorded, kind, by_image, form).as_bytes())?;
        say_where_it_is_not(&recorded, kind, trace::has_none(&recorded, kind));
        return Ok(ExitStatus::Success);
    }
    let text = match args.format {
        Format::Table => {
            let sort = match args.sort {
                Column::Count => Sort::Count,
                Column::Name => Sort::Name,
                Column::Number => Sort::Number,
            };
            trace::text(&recorded, by_image, sort, args.verbose)
        }
        Format::Tsv => trace::tsv(&recorded, by_image),
        Format::Json => trace::json(&recorded, by_image),
    };
    output::data(text.as_bytes())?;
    Ok(ExitStatus::Success)
}

/// Says where facts of a kind may be missing because nobody looked, and that there are none where somebody did.
fn say_where_it_is_not(recorded: &Trace, kind: FactKind, is_empty: bool) {
    let (what, with) = match kind {
        FactKind::Arguments => ("arguments", "`profile run` does, without `--detail calls`"),
        FactKind::Capabilities => {
            ("capabilities", "`profile run --recorder ebpf` does, without `--detail calls`")
        }
        FactKind::Files => ("files", "`profile run` does, without `--detail calls`"),
        FactKind::IoUring => {
            ("io_uring operations", "`profile run --recorder ebpf` does, without `--detail calls`")
        }
        FactKind::Memory => ("mappings of writable code", "`profile run` does, without `--detail calls`"),
        FactKind::Names => {
            ("names of addresses", "`profile run` does, but for `--detail calls` and `--recorder notify`")
        }
        FactKind::Namespaces => {
            ("flags of new tasks or namespaces", "`profile run` does, without `--detail calls`")
        }
        FactKind::Peaks => ("peaks", "`profile run` does, but for `--detail calls` and `--recorder notify`"),
        FactKind::Sockets => ("sockets", "`profile run` does, without `--detail calls`"),
        FactKind::Refused => {
            ("refused calls", "`profile run --recorder ebpf` does, without `--detail calls`")
        }
        FactKind::Results => (
            "errors of calls",
            "`profile run` does, but for `--recorder notify`, and eBPF with `--detail calls`",
        ),
    };
    let without = recorded.runs.values().filter(|run| !run.facts.contains(&kind)).count();
    match (without, recorded.runs.len()) {
        (_, 0) => {}
        (0, _) if is_empty => output::note(&format!("there are no {what}")),
        (0, _) => {}
        (all, runs) if all == runs && is_empty => output::note(&format!("no run recorded {what}; {with}")),
        (some, runs) => output::note(&format!("{some} of {runs} runs did not record {what}")),
    }
}
