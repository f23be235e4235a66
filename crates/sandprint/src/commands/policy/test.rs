//! `policy test`: what a policy says of one call, and which rule said it.

use std::path::PathBuf;

use clap::ValueEnum;
use sandprint_model::{Abi, Arch, Call};
use sandprint_view::answer::{self, Answer};

use crate::exit::{self, ExitStatus};
use crate::output;
use crate::policy_source::PolicySource;
use crate::usage::{call, long_help};

/// Say how a policy answers a call, and which rule decides
///
/// Calls are written as in C, with numbers and constants: `socket(AF_INET, 1, 0)`, or `i386:socketcall(1)` for another
/// ABI than this machine's. Omitted arguments are 0.
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help(EXAMPLES, exit::HELP_DIFF_CALLS))]
pub(crate) struct TestArgs {
    /// The policy; `-` is standard input
    policy: PathBuf,

    /// A call; repeatable
    #[arg(long, required = true, value_name = "CALL", value_parser = call::parse)]
    call: Vec<call::Written>,

    /// How to print the answers
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// End with 3 if a call is not allowed
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

const EXAMPLES: &str = "
  sandprint policy test app.policy.toml --call 'socket(AF_INET, SOCK_STREAM)'
  sandprint policy test p.toml --call 'openat(-100, 0, 0)' --call i386:getpid
  sandprint policy test --exit-code app.policy.toml --call 'bpf(5)'";

/// Prints them.
pub(crate) fn run(args: &TestArgs) -> anyhow::Result<ExitStatus> {
    let source = PolicySource::read_to_ask(&args.policy)?;
    let native = Arch::from_name(std::env::consts::ARCH).map_or(Abi::X86_64, Arch::native_abi);
    let calls: Result<Vec<(String, Call)>, _> =
        args.call.iter().map(|written| Ok((written.text.clone(), written.resolve(native)?))).collect();
    let calls = calls.map_err(|problem: call::Unknown| {
        exit::Deciding::usage(
            problem.to_string(),
            "names are the kernel's and C's, as in the policy file; a number does too",
        )
    })?;
    let answers: Vec<Answer<'_>> =
        calls.iter().map(|(asked, call)| answer_of(&source, asked, call)).collect();
    let text = match args.format {
        Format::Text => answer::text(&answers),
        Format::Json => answer::json(&answers),
    };
    let refused = answers.iter().any(|answer| !answer.action().lets_run());
    match output::data(text.as_bytes()) {
        Err(output::OutputError::ReaderGone) => {}
        other => other?,
    }
    Ok(if args.exit_code && refused { ExitStatus::Different } else { ExitStatus::Success })
}

fn answer_of<'a>(source: &'a PolicySource, asked: &'a str, call: &'a Call) -> Answer<'a> {
    let policy = source.policy();
    let rule = policy.calls.deciding_rule(call);
    let at = rule.map(|(place, _)| source.place(call.syscall, place, None));
    Answer { policy, name: &source.name, asked, call, at }
}
