//! `policy explain`: what a policy allows and what for, what of it was never observed, what observed is refused.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use sandprint_model::wire::{POLICY_FILE_MOST_BYTES, PolicyFile};
use sandprint_model::{Abi, Trace};
use sandprint_policy::explain::explain;
use sandprint_view::explanation::Listing;

use super::foreign::{self, ForeignArgs};
use crate::commands::form::Form;
use crate::exit::{self, ExitStatus};
use crate::policy_source::PolicySource;
use crate::usage::long_help;
use crate::{output, trace_file};

/// Explain what a policy allows and why
///
/// Groups calls by purpose, with conditions in words and the policy's own reasons. With traces, it lists what is
/// allowed and was never observed, and what was observed and is refused. It points out values that are not the
/// constant which their author named in a comment.
///
/// Profiles of other tools are read directly, as by `policy import`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP))]
pub(crate) struct ExplainArgs {
    /// The policy, or a profile of another tool; `-` is standard input
    policy: PathBuf,

    /// Traces of the workload
    #[arg(value_name = "TRACE")]
    traces: Vec<PathBuf>,

    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    format: Form,

    /// List calls of this ABI; by default of those observed. JSON has all
    #[arg(long, value_name = "ABI", value_parser = abi_parser())]
    abi: Vec<Abi>,

    #[command(flatten)]
    foreign: ForeignArgs,
}

const EXAMPLES: &str = "
  sandprint policy explain app.policy.toml
  sandprint policy explain docker-default.json nginx.trace.json
  sandprint policy explain -f markdown app.policy.toml runs/*.json > out.md";

fn abi_parser() -> impl TypedValueParser<Value = Abi> {
    let values = Abi::ALL.map(Abi::name);
    PossibleValuesParser::new(values).try_map(|name| Abi::from_name(&name).ok_or("no such ABI"))
}

/// Prints it.
pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<ExitStatus> {
    trace_file::stdin_once(std::iter::once(&args.policy).chain(&args.traces))?;
    let file = read(args)?;
    let mut observed: Option<Trace> = None;
    for path in &args.traces {
        let trace = trace_file::read(path)?;
        match &mut observed {
            Some(observed) => observed.merge(trace),
            None => observed = Some(trace),
        }
    }
    let explanation = explain(&file, observed.as_ref());
    let listed: BTreeSet<Abi> =
        if args.abi.is_empty() { explanation.main_abis() } else { args.abi.iter().copied().collect() };
    let listing = Listing { explanation: &explanation, abis: &listed };
    output::data(args.format.of(&listing).as_bytes())?;
    Ok(ExitStatus::Success)
}

/// A policy of ours, or a profile that becomes one.
fn read(args: &ExplainArgs) -> anyhow::Result<PolicyFile> {
    let limit = u64::try_from(POLICY_FILE_MOST_BYTES).unwrap_or(u64::MAX);
    let bytes = trace_file::read_bytes(&args.policy, limit)?;
    if args.foreign.format(&bytes).is_none() {
        return Ok(PolicySource::from_bytes(&args.policy, &bytes)?.file);
    }
    let imported = args.foreign.import(&args.policy, &bytes)?;
    foreign::tell(&imported);
    Ok(PolicyFile::new(imported.policy))
}
