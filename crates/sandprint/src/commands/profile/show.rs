//! `profile show`: what a trace holds.

use std::path::PathBuf;

use clap::ValueEnum;
use sandprint_view::trace::{self, Sort};

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

    /// Sort the table
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

const EXAMPLES: &str = "
  sandprint profile show ls.trace.json
  sandprint profile show --by image build.trace.json
  sandprint profile show --sort name ls.trace.json
  sandprint profile show --format tsv ls.trace.json | tail -n +2 | cut -f 3

ABIs are x86_64, i386, x32, aarch64 and arm. A number without a name is shown
as `-`. Numbers of x32 are shown without bit 30.";

/// Prints it.
pub(crate) fn run(args: &ShowArgs) -> anyhow::Result<ExitStatus> {
    let (recorded, _) = args.images.of(trace_file::read(&args.trace)?)?;
    let by_image = args.by == Some(By::Image);
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
