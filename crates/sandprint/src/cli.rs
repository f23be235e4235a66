//! The command line: what was typed, nothing more. Each command's own words are in its own file.

mod tips;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use sandprint_sandbox::probe::{self, Deadly};

use crate::commands::{completions, doctor, man, policy, profile, run, watch};
use crate::exit::{self, ExitStatus};
use crate::usage::long_help;
use crate::{output, report};

/// Record which system calls a program makes, and write the tightest seccomp policy it still runs under.
///
/// Record a command, or something that runs already, with all its descendants: by eBPF every call is counted, exactly
/// and at hardly any cost. A trace keeps the recording. Generate a seccomp profile from traces, or run commands under
/// it.
#[derive(Debug, Parser)]
#[command(
    name = "sandprint",
    version,
    max_term_width = 80,
    styles = STYLES,
    after_long_help = long_help(EXAMPLES, exit::HELP_ALL),
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "
  sudo sandprint profile run -o ls.trace.json -- ls /tmp
  sandprint profile show ls.trace.json
  sandprint profile generate -i ls.trace.json -f oci > seccomp.json
  sandprint profile generate -i ls.trace.json -f toml > ls.policy.toml
  sandprint run -p ls.policy.toml -- ls /tmp
  sandprint profile run --help";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// What `sandprint` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Record workloads, inspect the recordings, generate profiles.
    #[command(subcommand)]
    Profile(ProfileCommand),
    Run(run::RunArgs),
    Watch(watch::WatchArgs),
    /// Format, check, compare, query and explain policies.
    #[command(subcommand)]
    Policy(PolicyCommand),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// What is done with recordings.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    Run(profile::run::RunArgs),
    Attach(profile::attach::AttachArgs),
    Show(profile::show::ShowArgs),
    Generate(profile::generate::GenerateArgs),
    Merge(profile::merge::MergeArgs),
    Diff(profile::diff::DiffArgs),
    Subtract(profile::subtract::SubtractArgs),
    Coverage(profile::coverage::CoverageArgs),
    Import(profile::import::ImportArgs),
    Verify(profile::verify::VerifyArgs),
    Refine(profile::refine::RefineArgs),
}

/// What is done with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    Fmt(policy::fmt::FmtArgs),
    Check(policy::check::CheckArgs),
    Test(policy::test::TestArgs),
    Diff(policy::diff::DiffArgs),
    Import(policy::import::PolicyImportArgs),
    Explain(policy::explain::ExplainArgs),
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self) -> anyhow::Result<ExitStatus> {
        match self {
            Command::Profile(ProfileCommand::Run(args)) => profile::run::run(args),
            Command::Profile(ProfileCommand::Attach(args)) => profile::attach::run(args),
            Command::Profile(ProfileCommand::Show(args)) => profile::show::run(args),
            Command::Profile(ProfileCommand::Generate(args)) => profile::generate::run(args),
            Command::Profile(ProfileCommand::Merge(args)) => profile::merge::run(args),
            Command::Profile(ProfileCommand::Diff(args)) => profile::diff::run(args),
            Command::Profile(ProfileCommand::Subtract(args)) => profile::subtract::run(args),
            Command::Profile(ProfileCommand::Coverage(args)) => profile::coverage::run(args),
            Command::Profile(ProfileCommand::Import(args)) => profile::import::run(args),
            Command::Profile(ProfileCommand::Verify(args)) => profile::verify::run(args),
            Command::Profile(ProfileCommand::Refine(args)) => profile::refine::run(args),
            Command::Policy(PolicyCommand::Fmt(args)) => policy::fmt::run(args),
            Command::Policy(PolicyCommand::Check(args)) => policy::check::run(args),
            Command::Policy(PolicyCommand::Test(args)) => policy::test::run(args),
            Command::Policy(PolicyCommand::Diff(args)) => policy::diff::run(args),
            Command::Policy(PolicyCommand::Import(args)) => policy::import::run(args),
            Command::Policy(PolicyCommand::Explain(args)) => policy::explain::run(args),
            Command::Run(args) => run::run(args),
            Command::Watch(args) => watch::run(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Completions(args) => completions::run(args, Cli::command()),
            Command::Man(args) => man::run(args, Cli::command()),
        }
    }

    /// Whether it can go on under a filter that we may be under ourselves, as far as that is not found out where it matters.
    pub(crate) fn survives(&self) -> Result<(), Deadly> {
        probe::survive(probe::EVERY)?;
        match self {
            Command::Profile(
                ProfileCommand::Run(_)
                | ProfileCommand::Attach(_)
                | ProfileCommand::Verify(_)
                | ProfileCommand::Refine(_),
            )
            | Command::Watch(_)
            | Command::Doctor(_) => probe::survive(probe::HOST),
            Command::Run(_) => probe::survive(probe::LOOKUP),
            _ => Ok(()),
        }
    }

    /// The status for an error that decides none of its own.
    pub(crate) fn failure_status(&self) -> ExitStatus {
        match self {
            Command::Profile(
                ProfileCommand::Run(_) | ProfileCommand::Verify(_) | ProfileCommand::Refine(_),
            )
            | Command::Run(_) => ExitStatus::RecorderFailed,
            _ => ExitStatus::Failure,
        }
    }
}

/// Reads the command line. Help and version have been printed, or the error told, where there is none.
pub(crate) fn parse() -> Result<Command, ExitStatus> {
    match Cli::try_parse() {
        Ok(cli) => Ok(cli.command),
        Err(error) => Err(refuse(&error)),
    }
}

/// Prints what clap has to say: help is data, an error is said as every other error.
fn refuse(error: &clap::Error) -> ExitStatus {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                report::report(&anyhow::Error::new(output::OutputError::Write(error)), ExitStatus::Failure)
            }
            _ => ExitStatus::Success,
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output::error(
                "a command is missing",
                &format!("what there is:\n\n{}", error.render().to_string().trim_end()),
            );
            ExitStatus::Usage
        }
        ErrorKind::InvalidUtf8 => {
            let (message, hint) = not_utf8(std::env::args_os());
            output::error(&message, hint);
            ExitStatus::Usage
        }
        _ => {
            let (message, hint) = split_error(&error.render().to_string());
            match tips::of(error) {
                Some(tip) => output::error(tips::without_guesses(&message), &tip),
                None => output::error(&message, &hint),
            }
            ExitStatus::Usage
        }
    }
}

/// Names the words that may be what clap stumbled over: it does not say which.
fn not_utf8(words: impl Iterator<Item = std::ffi::OsString>) -> (String, &'static str) {
    let named: Vec<String> =
        words.filter(|word| word.to_str().is_none()).map(|word| output::quote(word.as_ref())).collect();
    let hint = "only file names, and the command and its arguments, may be other bytes";
    (format!("an argument is no UTF-8: {}", named.join(", ")), hint)
}

/// Takes clap's own label, its usage and its last line off an error; gives message and hint.
fn split_error(text: &str) -> (String, String) {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = text.split("\n\nFor more information, try ").next().unwrap_or(text).trim_end();
    match text.rsplit_once("\n\nUsage: ") {
        Some((message, usage)) => {
            (message.to_owned(), format!("usage: {}; `--help` explains it", usage.trim_end()))
        }
        None => (text.to_owned(), "`--help` explains it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_line_of_the_examples_is_wrapped() {
        fn check(command: &clap::Command) {
            let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
            assert_eq!(wide, [] as [&str; 0], "{}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn claps_errors_are_split_into_error_and_hint() {
        for (line, message, hint) in [
            (
                &["sandprint", "profile", "show"][..],
                "the following required arguments were not provided:\n  <TRACE>",
                "usage: sandprint profile show <TRACE>; `--help` explains it",
            ),
            (
                &["sandprint", "profile", "shw"],
                "unrecognized subcommand 'shw'\n\n  tip: a similar subcommand exists: 'show'",
                "usage: sandprint profile <COMMAND>; `--help` explains it",
            ),
            (
                &["sandprint", "profile", "run", "--timeout", "x", "--", "ls"],
                "invalid value 'x' for '--timeout <DURATION>': expected something like 500ms, 30s, 5m or 1h",
                "`--help` explains it",
            ),
        ] {
            let error = Cli::try_parse_from(line).unwrap_err();
            let (got_message, got_hint) = split_error(&error.render().to_string());
            assert_eq!((got_message.as_str(), got_hint.as_str()), (message, hint));
        }
    }
}
