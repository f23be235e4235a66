//! `policy test`: what a policy says of one call, and which rule said it.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use sandprint_model::wire::condition_in_words;
use sandprint_model::{Abi, Action, Arch, Call, Reason, Rule, json_pretty};
use serde::Serialize;

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

#[derive(Serialize)]
struct Answer {
    call: String,
    abi: &'static str,
    nr: u32,
    args: [u64; 6],
    action: String,
    runs: bool,
    decided_by: DecidedBy,
    at: Option<String>,
    conditions: Vec<String>,
    reasons: Vec<String>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum DecidedBy {
    Rule,
    Default,
    Foreign,
}

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
    let answers: Vec<Answer> = calls.iter().map(|(text, call)| answer(&source, text, call)).collect();
    let text = match args.format {
        Format::Text => answers.iter().map(|answer| in_words(&source, answer)).collect(),
        Format::Json => json_pretty(&answers)? + "\n",
    };
    let refused = answers.iter().any(|answer| !answer.runs);
    match output::data(text.as_bytes()) {
        Err(output::OutputError::ReaderGone) => {}
        other => other?,
    }
    Ok(if args.exit_code && refused { ExitStatus::Different } else { ExitStatus::Success })
}

fn answer(source: &PolicySource, text: &str, call: &Call) -> Answer {
    let policy = source.policy();
    let action: Action = policy.calls.decide(call);
    let rule = policy.calls.deciding_rule(call);
    let decided_by = match rule {
        Some(_) => DecidedBy::Rule,
        None if policy.calls.has_rules_for(call.syscall.abi) => DecidedBy::Default,
        None => DecidedBy::Foreign,
    };
    let words = |(_, rule): (usize, &Rule)| {
        rule.conditions.iter().map(|condition| condition_in_words(call.syscall, condition)).collect()
    };
    Answer {
        call: text.to_owned(),
        abi: call.syscall.abi.name(),
        nr: call.syscall.nr,
        args: call.args,
        action: action.to_string(),
        runs: action.lets_run(),
        decided_by,
        at: rule.map(|(place, _)| source.place(call.syscall, place, None)),
        conditions: rule.map_or_else(Vec::new, words),
        reasons: rule.map_or_else(Vec::new, |(_, rule)| rule.reasons.iter().map(Reason::to_string).collect()),
    }
}

fn in_words(source: &PolicySource, answer: &Answer) -> String {
    let mut text = format!("{}: {}\n", answer.call, answer.action);
    match (answer.decided_by, &answer.at) {
        (DecidedBy::Rule, Some(at)) => writeln!(text, "  by the rule at {at}").unwrap_or_default(),
        (DecidedBy::Rule | DecidedBy::Default, _) => {
            writeln!(text, "  by the default of {}: no rule matches it", source.name).unwrap_or_default();
        }
        (DecidedBy::Foreign, _) => {
            writeln!(text, "  by `foreign` of {}: {} has no rules", source.name, answer.abi)
                .unwrap_or_default();
        }
    }
    if !answer.conditions.is_empty() {
        writeln!(text, "  when {}", answer.conditions.join(" and ")).unwrap_or_default();
    }
    for reason in &answer.reasons {
        writeln!(text, "  {}", sandprint_model::ByteString::from(reason.as_str()).escaped())
            .unwrap_or_default();
    }
    text
}
